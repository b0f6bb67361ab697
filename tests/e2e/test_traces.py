"""The real stack and a real OTLP receiver: one trace from the request to the result."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from embedded_stack import RunningStack, running_stack
from trace_collector import CollectedSpan, TraceCollector, running_collector

QUICK = {"UNMASK_LEASE_TTL_S": "3", "UNMASK_VISIBILITY_TIMEOUT_S": "6"}
SECRET_NAME = "who-is-on-this-clip.mp4"


@pytest.fixture(scope="module")
def collector() -> Iterator[TraceCollector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(
    tmp_path_factory: pytest.TempPathFactory, collector: TraceCollector
) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("traced")
    with running_stack(folder, QUICK | collector.environment) as stack:
        yield stack


def trace_of(spans: list[CollectedSpan], video_id: str) -> list[CollectedSpan]:
    """All spans of the trace in which a video was queued."""
    queued = [s for s in spans if s.name == "queue" and s.attributes["video_id"] == video_id]
    return [s for s in spans if queued and s.trace_id == queued[0].trace_id]


def wait_for(collector: TraceCollector, video_id: str, *names: str) -> list[CollectedSpan]:
    """The trace of a video, once it has spans with these names."""
    spans = collector.wait_for(
        lambda spans: set(names) <= {span.name for span in trace_of(spans, video_id)}
    )
    return trace_of(spans, video_id)


def test_one_trace_leads_from_the_request_to_the_result(
    traced: RunningStack, collector: TraceCollector, demo_media: Path, tmp_path: Path
) -> None:
    clip = tmp_path / SECRET_NAME
    clip.write_bytes((demo_media / "astronaut_fake.mp4").read_bytes())
    video_id = traced.submit(clip, heatmaps="true")
    traced.wait_for(video_id, "completed")
    traced.client.get("/videos", params={"filename": SECRET_NAME})
    ends = ("POST /videos", "preprocessor.extract_faces", "inference.classify_faces")
    spans = wait_for(collector, video_id, *ends)

    by_id = {span.span_id: span for span in spans}
    parents = {(by_id[s.parent_id].name if s.parent_id else "", s.name) for s in spans}
    assert {
        ("", "POST /videos"),
        ("POST /videos", "receive upload"),
        ("receive upload", "object_store.put_stream"),
        ("POST /videos", "queue"),
        ("queue", "preprocessor.extract_faces"),
        ("preprocessor.extract_faces", "wait in queue"),
        ("preprocessor.extract_faces", "preprocessing"),
        ("preprocessing", "object_store.download"),
        ("preprocessing", "decode and find faces"),
        ("preprocessing", "store crops"),
        ("store crops", "object_store.put"),
        ("queue", "inference.classify_faces"),
        ("inference.classify_faces", "wait in queue"),
        ("inference.classify_faces", "inferring"),
        ("inferring", "read crops"),
        ("read crops", "object_store.get"),
        ("inferring", "forward passes"),
        ("inferring", "heatmaps"),
        ("inferring", "write result"),
        ("write result", "object_store.put"),
    } <= parents
    assert {span.service for span in spans} == {
        "unmask-gateway",
        "unmask-preprocessor",
        "unmask-inference",
    }
    for span in spans:
        assert 0 <= span.end_ns - span.start_ns < 90e9
        if span.service != "unmask-gateway":
            assert span.attributes["video_id"] == video_id
    stage = next(span for span in spans if span.name == "inferring")
    assert (stage.attributes["stage"], stage.attributes["attempt"]) == ("inferring", "1")
    # The list that was asked for by name.
    told = str(collector.wait_for(lambda spans: any("url.query" in s.attributes for s in spans)))
    assert "REDACTED" in told
    assert SECRET_NAME not in told
    assert "who-is-on" not in told


def test_a_second_attempt_is_part_of_the_same_trace(
    traced: RunningStack, collector: TraceCollector, demo_media: Path
) -> None:
    video_id = traced.submit(demo_media / "astronaut_fake.mp4")
    traced.wait_for(video_id, "preprocessing")
    victim = traced.part("unmask_preprocessor.worker")
    victim.kill()
    victim.wait(5)
    assert traced.get(video_id)["status"] == "preprocessing", "it had finished before the kill"
    traced.wait_for(video_id, "completed")
    spans = wait_for(collector, video_id, "inference.classify_faces", "preprocessing")
    # The first one's may have got out just before the kill.
    stages = [span for span in spans if span.name == "preprocessing"]
    assert "2" in {span.attributes["attempt"] for span in stages}


def test_what_the_sweeper_queues_again_goes_on_with_its_trace(
    traced: RunningStack, collector: TraceCollector, demo_media: Path
) -> None:
    worker = traced.part("unmask_preprocessor.worker")
    worker.suspend()
    video_id = traced.submit(demo_media / "astronaut_real.mp4")
    deadline = time.monotonic() + 10
    while not trace_of(collector.spans, video_id):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with redis.Redis.from_url(
        traced.part("unmask_gateway").environ()["UNMASK_REDIS_URL"]
    ) as client:
        client.flushall()
    worker.kill()  # with the message, if it had taken it
    traced.wait_for(video_id, "completed")
    spans = wait_for(collector, video_id, "inference.classify_faces", "preprocessing")
    assert len([span for span in spans if span.name == "queue"]) == 2
