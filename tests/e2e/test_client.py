"""The Python client against the whole of Unmask: keys, S3, webhooks, real clips."""

import asyncio
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

import pytest
from client_doubles import Blocking
from guarded_stack import ADMIN_KEY, PART_BYTES, WEBHOOK_SECRET, GuardedStack

from unmask_client import (
    AccessRefused,
    AnalysisChanges,
    AnalysisOptions,
    AsyncClient,
    Client,
    Conflict,
    ConnectionFailed,
    NotFound,
    ProblemError,
    RetryPolicy,
    Status,
    Video,
    VideoFilter,
    verify_webhook,
)

Connect = Callable[..., AbstractContextManager[Client]]


@contextmanager
def blocking_client(url: str, key: str | None, **more: object) -> Iterator[Client]:
    with Client(url, api_key=key, **more) as client:  # type: ignore[arg-type]
        yield client


@contextmanager
def async_client(url: str, key: str | None, **more: object) -> Iterator[Client]:
    with asyncio.Runner() as runner:
        client = Blocking(AsyncClient(url, api_key=key, **more), runner)  # type: ignore[arg-type]
        yield cast(Client, client)
        client.close()


@pytest.fixture(params=[blocking_client, async_client], ids=["blocking", "async"])
def connect(request: pytest.FixtureRequest, guarded_stack: GuardedStack) -> Connect:
    def connect(key: str | None = None, **more: object) -> AbstractContextManager[Client]:
        found: AbstractContextManager[Client] = request.param(
            guarded_stack.url, key or guarded_stack.key, **more
        )
        return found

    return connect


@pytest.fixture
def client(guarded_stack: GuardedStack) -> Iterator[Client]:
    with Client(guarded_stack.url, api_key=guarded_stack.key) as client:
        yield client


def test_a_clip_goes_all_the_way(
    connect: Connect, guarded_stack: GuardedStack, demo_media: Path, tmp_path: Path
) -> None:
    clip = demo_media / "astronaut_fake.mp4"
    sent: list[tuple[int, int | None]] = []
    seen: list[Video] = []
    name = f"scene {time.time_ns()}.mp4"
    with connect() as client:
        video = client.submit(
            clip,
            AnalysisOptions(heatmaps=True),
            filename=name,
            webhook_url=guarded_stack.receiver.url("/hook"),
            on_upload=lambda done, total: sent.append((done, total)),
        )
        assert video.status is Status.QUEUED
        ended = client.wait(video.id, timeout_s=120, on_progress=seen.append)
        assert ended.status is Status.COMPLETED
        assert ended.result is not None
        assert ended.source.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
        assert client.get(video.id) == ended

        [face] = ended.result.faces
        for path, magic in (
            (face.thumbnail, b"\xff\xd8\xff"),
            (face.heatmaps[0].picture, b"RIFF"),
        ):
            picture = io.BytesIO()
            client.download(str(path), picture)
            assert picture.getvalue().startswith(magic)
        client.report(video.id, tmp_path / "report.html")
        assert name in (tmp_path / "report.html").read_text()
        client.source(video.id, tmp_path / "source.mp4")
        assert (tmp_path / "source.mp4").read_bytes() == clip.read_bytes()

        [listed] = client.list(VideoFilter(filename=name, statuses=[Status.COMPLETED]))
        assert (listed.id, listed.verdict) == (video.id, ended.result.verdict)

        told = until_told(client, video.id)
        assert told.status == "delivered"
        client.delete(video.id)
        with pytest.raises(NotFound):
            client.get(video.id)
    total = sent[-1][1]
    assert total is not None
    assert sent[-1][0] == total > clip.stat().st_size
    progress = [one.progress for one in seen]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    assert len(progress) > 3  # events came, not only the end

    [message] = [one for one in guarded_stack.receiver.received if video.id.encode() in one.body]
    event = verify_webhook(message.headers, message.body, WEBHOOK_SECRET)
    assert event.type == "video.completed"
    assert event.data == ended


def until_told(client: Client, video_id: str) -> object:
    deadline = time.monotonic() + 30
    while not (told := client.webhooks(video_id)).deliveries:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return told.deliveries[0]


def test_a_submission_that_is_repeated_is_the_same_video(
    connect: Connect, demo_media: Path
) -> None:
    key = f"key-{time.time_ns()}"
    with connect() as client:
        first, second = (
            client.submit(demo_media / "astronaut_real.mp4", idempotency_key=key) for _ in "12"
        )
        assert first.id == second.id
        with pytest.raises(ProblemError) as caught:
            client.submit(demo_media / "hopper_real.mp4", idempotency_key=key)
        assert caught.value.code == "idempotency_key_reused"
        client.delete(first.id)


def test_a_video_is_cancelled_and_one_that_has_ended_is_not(
    connect: Connect, demo_media: Path
) -> None:
    with connect() as client:
        video = client.submit(demo_media / "astronaut_real.mp4")
        cancelled = client.cancel(video.id)
        assert cancelled.status is Status.CANCELLED
        assert client.wait(video.id, timeout_s=60).status is Status.CANCELLED
        other = client.submit(demo_media / "astronaut_real.mp4")
        client.wait(other.id, timeout_s=120)
        with pytest.raises(Conflict):
            client.cancel(other.id)


def test_a_stored_video_is_judged_again(client: Client, demo_media: Path) -> None:
    first = client.submit(demo_media / "astronaut_real.mp4")
    before = client.wait(first.id, timeout_s=120)
    again = client.analyze_again(first.id, AnalysisChanges(heatmaps=True), idempotency_key=first.id)
    assert (
        client.analyze_again(first.id, AnalysisChanges(heatmaps=True), idempotency_key=first.id).id
        == again.id
    )
    ended = client.wait(again.id, timeout_s=120)
    assert (ended.analysis_of, ended.source.sha256) == (first.id, first.source.sha256)
    assert ended.result is not None
    assert before.result is not None
    # Heatmaps need gradients, so another engine looks at the same frames.
    assert ended.result.fake_probability == pytest.approx(before.result.fake_probability, abs=1e-3)
    assert ended.result.faces[0].heatmaps
    assert client.get(first.id) == before


def test_a_direct_upload_goes_on_where_the_connection_broke(
    connect: Connect, guarded_stack: GuardedStack, large_clip: Path
) -> None:
    broken_before = guarded_stack.proxy.broken
    begun: list[str] = []
    sent: list[int] = []
    with connect() as client:
        # In the second part, while half of it is on its way.
        guarded_stack.proxy.break_after(PART_BYTES + PART_BYTES // 2)
        video = client.submit_directly(
            large_clip,
            on_begun=lambda upload: begun.append(upload.id),
            on_upload=lambda done, _: sent.append(done),
        )
        assert guarded_stack.proxy.broken == broken_before + 1
        assert video.source.sha256 == hashlib.sha256(large_clip.read_bytes()).hexdigest()
        assert sent[-1] == large_clip.stat().st_size
        assert sent != sorted(sent)  # some left twice
        # The answer is lost, and a later process tries once more: it is the same video.
        assert client.submit_directly(large_clip, upload_id=begun[0]).id == video.id
        assert client.wait(video.id, timeout_s=120).status is Status.COMPLETED
        client.delete(video.id)


def test_a_direct_upload_goes_on_in_another_process(
    connect: Connect, guarded_stack: GuardedStack, large_clip: Path
) -> None:
    begun: list[str] = []
    once = RetryPolicy(attempts=1)
    guarded_stack.proxy.break_after(PART_BYTES + PART_BYTES // 2)
    with connect(retries=once) as client, pytest.raises(ConnectionFailed) as caught:
        client.submit_directly(large_clip, on_begun=lambda upload: begun.append(upload.id))
    assert "goes on where it stopped" in caught.value.action
    with connect() as client:
        upload = client.upload(begun[0])
        assert [part.stored for part in upload.parts] == [True, False, False]
        sent: list[int] = []
        video = client.submit_directly(
            large_clip, upload_id=begun[0], on_upload=lambda done, _: sent.append(done)
        )
        assert min(sent) > PART_BYTES
        assert video.source.bytes == large_clip.stat().st_size
        client.delete(video.id)
        other: list[str] = []
        guarded_stack.proxy.break_after(0)
        with connect(retries=once) as broken, pytest.raises(ConnectionFailed):
            broken.submit_directly(large_clip, on_begun=lambda upload: other.append(upload.id))
        client.discard_upload(other[0])
        with pytest.raises(NotFound):
            client.upload(other[0])


def test_keys_say_who_sees_what(
    connect: Connect, guarded_stack: GuardedStack, demo_media: Path
) -> None:
    with connect() as client, connect(ADMIN_KEY) as admin:
        video = client.submit(demo_media / "astronaut_real.mp4")
        reader = admin.create_key("reader", ["read"])
        with connect(reader.key) as theirs:
            with pytest.raises(NotFound):
                theirs.get(video.id)
            with pytest.raises(AccessRefused) as caught:
                theirs.submit(demo_media / "astronaut_real.mp4")
            assert caught.value.status == 403
        admin.revoke_key(reader.id)
        assert admin.get(video.id).id == video.id
        [model] = admin.models()
        assert admin.model(model.name, model.version).card["name"] == model.name
        admin.delete(video.id)
    with connect("unmask_0000000000000000_" + "0" * 64) as stranger:
        with pytest.raises(AccessRefused) as refused:
            stranger.get(video.id)
        assert "UNMASK_API_KEY" in refused.value.action
