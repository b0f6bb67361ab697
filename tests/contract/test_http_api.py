"""The HTTP API as clients meet it: a gateway process, a real Valkey, a folder as object store."""

import http.client
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from pydantic import SecretStr
from real_services import ValkeyServer

from unmask_shared.artifacts import (
    BoundingBox,
    Coverage,
    VideoInfo,
    heatmap_key,
    landmarks_key,
    record_key,
    source_key,
    thumbnail_key,
)
from unmask_shared.errors import NoVideoStream
from unmask_shared.job_store import RedisJobStore, make_job_store
from unmask_shared.messages import PREPROCESSOR_QUEUE
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.settings import JobSettings
from unmask_shared.videos import (
    MODEL_PATTERN,
    FaceResult,
    Failure,
    Heatmap,
    ModelRef,
    Reason,
    Result,
    Segment,
    Status,
    Timings,
    Verdict,
    VideoRecord,
    VideoResult,
)

LIMIT = 3_000_000
VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 1000
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
HEAD = (
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
    b"Content-Type: video/mp4\r\n\r\n"
)
TAIL = b"\r\n--B--\r\n"
MULTIPART = {"Content-Type": "multipart/form-data; boundary=B"}


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        max_upload_bytes=LIMIT,
        upload_idle_timeout_s=1,
        shutdown_grace_s=1,
    ) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def jobs(redis_url: str) -> RedisJobStore:
    return make_job_store(JobSettings(redis_url=SecretStr(redis_url)))


@pytest.fixture
def store(gateway: GatewayProcess) -> LocalObjectStore:
    return LocalObjectStore(gateway.data_dir / "store")


def submit(client: httpx.Client, content: bytes = VIDEO, name: str = "clip.mp4") -> httpx.Response:
    return client.post("/videos", files={"file": (name, content, "video/mp4")})


def accepted_id(client: httpx.Client) -> str:
    return str(submit(client).json()["id"])


def route_of(description: dict[str, Any], path: str) -> dict[str, Any]:
    """What the description says of a path that clients asked for."""
    for template, methods in description["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return dict(methods)
    raise AssertionError(f"{path} is not described")


def assert_problem(client: httpx.Client, response: httpx.Response, status: int, code: str) -> None:
    """Check that a response is a problem document which the API's description promises."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "action",
        "retryable",
    }
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"] == f"urn:unmask:problem:{code}"
    assert problem["instance"] == response.request.url.path
    assert problem["detail"]
    assert problem["action"]
    methods = route_of(client.get("/openapi.json").json(), response.request.url.path)
    described = methods[response.request.method.lower()]["responses"][str(status)]
    assert code in described["content"]["application/problem+json"]["examples"]


def test_an_accepted_video_is_stored_whole_and_queued(
    client: httpx.Client, store: LocalObjectStore, jobs: RedisJobStore
) -> None:
    response = submit(client, name="../holiday\u202e.mp4")
    assert response.status_code == 202
    video = response.json()
    assert response.headers["location"] == f"/videos/{video['id']}"
    assert response.headers["cache-control"] == "no-store"
    assert (video["status"], video["progress"]) == ("queued", 0.0)
    assert video["source"]["filename"] == "holiday.mp4"
    assert store.get(source_key(video["id"])) == VIDEO
    assert jobs.queue_length(PREPROCESSOR_QUEUE) == 1

    polled = client.get(response.headers["location"])
    assert polled.json() | {"timings_ms": None} == video | {"timings_ms": None}
    assert polled.headers["retry-after"] == "1"


def test_options_are_recorded_and_told_wherever_they_stand_in_the_form(
    client: httpx.Client, store: LocalObjectStore
) -> None:
    response = client.post(
        "/videos",
        files=[
            ("face_mode", (None, "full_frame")),
            ("file", ("clip.mp4", VIDEO, "video/mp4")),
            ("landmark_overlays", (None, "true")),
        ],
    )
    assert response.status_code == 202, response.text
    asked = {
        "face_mode": "full_frame",
        "keep_faceless_frames": False,
        "landmark_overlays": True,
        "heatmaps": False,
        "model": None,
    }
    video = response.json()
    assert video["options"] == asked
    assert client.get(f"/videos/{video['id']}").json()["options"] == asked
    record = VideoRecord.model_validate_json(store.get(record_key(video["id"])))
    assert record.options.model_dump() == asked


def test_a_refused_option_is_named_with_its_value_and_what_is_allowed(
    client: httpx.Client,
) -> None:
    form = {"data": {"face_mode": "profile"}, "files": {"file": ("clip.mp4", VIDEO)}}
    problem = client.post("/videos", **form).json()
    for part in ("face_mode", "profile", "faces", "full_frame"):
        assert part in problem["detail"]


@pytest.mark.parametrize(
    ("request_parts", "status", "code"),
    [
        ({"json": {"file": "x"}}, 422, "invalid_request"),
        (
            {"content": VIDEO, "headers": {"Content-Type": "video/mp4"}},
            415,
            "unsupported_content_type",
        ),
        ({}, 415, "unsupported_content_type"),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "malformed_upload",
        ),
        ({"content": b"no form", "headers": MULTIPART}, 400, "malformed_upload"),
        ({"files": {"heatmaps": (None, "true")}}, 400, "malformed_upload"),
        ({"files": {"video": ("a.mp4", VIDEO)}}, 422, "invalid_request"),
        (
            {"files": [("file", ("a.mp4", VIDEO)), ("heatmap", (None, "true"))]},
            422,
            "invalid_request",
        ),
        ({"content": HEAD + VIDEO, "headers": MULTIPART}, 400, "truncated_upload"),
        ({"content": b"", "headers": MULTIPART}, 400, "truncated_upload"),
        ({"files": {"file": ("a.mp4", b"")}}, 400, "empty_upload"),
        ({"files": {"file": ("a.mp4", b"just text " * 1000)}}, 415, "not_a_video"),
        ({"files": {"file": ("a.mp4", b"#EXTM3U\nhttp://10.0.0.1/a.ts\n")}}, 415, "not_a_video"),
        ({"files": {"file": ("a.mp4", VIDEO + bytes(LIMIT))}}, 413, "upload_too_large"),
        (
            {"files": {"file": ("a.mp4", VIDEO)}, "data": {"face_mode": "profile"}},
            422,
            "invalid_option",
        ),
        (
            {"files": [("file", ("a.mp4", VIDEO)), ("landmark_overlays", (None, "yes"))]},
            422,
            "invalid_option",
        ),
        (
            {"files": {"file": ("a.mp4", VIDEO)}, "data": {"face_mode": ["faces", "faces"]}},
            422,
            "invalid_option",
        ),
    ],
)
def test_refused_uploads_say_why_and_leave_nothing(
    client: httpx.Client,
    gateway: GatewayProcess,
    request_parts: dict[str, Any],
    status: int,
    code: str,
) -> None:
    before = gateway.stored_keys()
    assert_problem(client, client.post("/videos", **request_parts), status, code)
    assert gateway.stored_keys() == before


def test_the_limit_holds_for_bodies_of_unknown_length(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    def body() -> Iterator[bytes]:
        yield HEAD + VIDEO
        for _ in range(LIMIT // 1000):
            yield bytes(1000)
        yield TAIL

    before = gateway.stored_keys()
    response = client.post("/videos", content=body(), headers=MULTIPART)
    assert_problem(client, response, 413, "upload_too_large")
    assert gateway.stored_keys() == before


def test_a_file_of_exactly_the_limit_is_taken(client: httpx.Client) -> None:
    response = submit(client, VIDEO + bytes(LIMIT - len(VIDEO)))
    assert response.status_code == 202
    assert response.json()["source"]["bytes"] == LIMIT


def test_a_client_that_asks_before_sending_is_refused_without_sending(
    gateway: GatewayProcess,
) -> None:
    address = urlsplit(gateway.url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 0), timeout=10) as connection:
        connection.sendall(
            b"POST /videos HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 9000000000\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_connection_that_breaks_leaves_nothing(gateway: GatewayProcess) -> None:
    before = gateway.stored_keys()
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=10)
    connection.putrequest("POST", "/videos")
    connection.putheader("Content-Type", MULTIPART["Content-Type"])
    connection.putheader("Content-Length", "2000000")
    connection.endheaders(HEAD + VIDEO)
    deadline = time.monotonic() + 5
    while gateway.stored_keys() == before:
        assert time.monotonic() < deadline, "the upload never reached the store"
        time.sleep(0.01)
    connection.close()
    while gateway.stored_keys() != before:
        assert time.monotonic() < deadline, "the remains were not removed"
        time.sleep(0.01)


def test_a_client_that_stops_sending_is_cut_off(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    def body() -> Iterator[bytes]:
        yield HEAD + VIDEO
        time.sleep(2)

    before = gateway.stored_keys()
    response = client.post("/videos", content=body(), headers=MULTIPART)
    assert_problem(client, response, 408, "upload_stalled")
    assert gateway.stored_keys() == before


def test_uploads_at_the_same_time_do_not_mix(gateway: GatewayProcess) -> None:
    netloc = urlsplit(gateway.url).netloc
    connections = [http.client.HTTPConnection(netloc, timeout=10) for _ in range(5)]
    contents = [VIDEO + bytes([number]) * 100_000 for number in range(5)]
    for connection, content in zip(connections, contents, strict=True):
        connection.putrequest("POST", "/videos")
        connection.putheader("Content-Type", MULTIPART["Content-Type"])
        connection.putheader("Content-Length", str(len(HEAD + content + TAIL)))
        connection.endheaders(HEAD + content[:150_000])
    store = LocalObjectStore(gateway.data_dir / "store")
    for connection, content in zip(reversed(connections), reversed(contents), strict=True):
        connection.send(content[150_000:] + TAIL)
        response = connection.getresponse()
        assert store.get(source_key(json.loads(response.read())["id"])) == content
        connection.close()


def test_ids_that_can_never_exist_are_told_from_unknown_ones(client: httpx.Client) -> None:
    for malformed in (
        "1",
        UNKNOWN_ID.upper(),
        "..%2F..%2Fetc",
        UNKNOWN_ID.replace("-774b", "-474b"),
    ):
        assert client.get(f"/videos/{malformed}").json()["code"] in {
            "malformed_video_id",
            "route_not_found",
        }
    assert_problem(client, client.get("/videos/1"), 422, "malformed_video_id")
    assert_problem(client, client.get(f"/videos/{UNKNOWN_ID}"), 404, "video_not_found")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "route_not_found"),
        ("GET", "/static/nothing.js", 404, "route_not_found"),
        ("GET", "/static/..%2Findex.html", 404, "route_not_found"),
        ("PUT", "/videos", 405, "method_not_allowed"),
    ],
)
def test_unknown_addresses_and_methods_are_problems_too(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code


def result_of(video_id: str) -> VideoResult:
    face = FaceResult(
        track_id=0,
        fake_probability=0.9,
        start_s=0,
        end_s=2,
        segments=(Segment(start_s=0, end_s=2, fake_probability=0.9),),
        landmarks=landmarks_key(video_id, 0),
        heatmaps=(
            Heatmap(
                picture=heatmap_key(video_id, 0, 0),
                frame=5,
                time_s=0.2,
                box=BoundingBox(x=1, y=2, width=30, height=40),
            ),
        ),
    )
    coverage = Coverage(
        policy="clips", clips=3, frames=48, missing_frames=0, sampled_s=1.92, longest_gap_s=0.04
    )
    return VideoResult(
        video_id=video_id,
        video=VideoInfo(duration_s=2, fps=25, width=640, height=480, frames=50, codec="h264"),
        model=ModelRef(name="resnet-lstm", version="1"),
        result=Result(
            verdict=Verdict.FAKE,
            fake_probability=0.9,
            reason=None,
            faces=(face,),
            coverage=coverage,
        ),
        timings_ms=Timings(queued=1, preprocessing=2, inferring=3),
    )


def test_a_video_is_followed_to_its_verdict(
    client: httpx.Client, jobs: RedisJobStore, store: LocalObjectStore
) -> None:
    video_id = accepted_id(client)
    path = f"/videos/{video_id}"
    jobs.advance(video_id, Status.INFERRING, 0.7)
    running = client.get(path).json()
    assert (running["status"], running["progress"]) == ("inferring", 0.7)

    store.put(thumbnail_key(video_id, 0), b"jpeg", content_type="image/jpeg")
    store.put(landmarks_key(video_id, 0), b"png", content_type="image/png")
    store.put(heatmap_key(video_id, 0, 0), b"webp", content_type="image/webp")
    jobs.complete(video_id, result_of(video_id))
    response = client.get(path)
    assert "retry-after" not in response.headers
    video = response.json()
    assert (video["status"], video["result"]["verdict"]) == ("completed", "fake")
    assert video["source"]["frames"] == 50
    thumbnail = client.get(video["result"]["faces"][0]["thumbnail"])
    assert thumbnail.content == b"jpeg"
    assert thumbnail.headers["content-type"] == "image/jpeg"
    landmarks = client.get(video["result"]["faces"][0]["landmarks"])
    assert landmarks.content == b"png"
    assert landmarks.headers["content-type"] == "image/png"
    (heatmap,) = video["result"]["faces"][0]["heatmaps"]
    assert (heatmap["frame"], heatmap["time_s"]) == (5, 0.2)
    assert heatmap["box"] == {"x": 1, "y": 2, "width": 30, "height": 40}
    drawn = client.get(heatmap["picture"])
    assert drawn.content == b"webp"
    assert drawn.headers["content-type"] == "image/webp"
    assert video["result"]["coverage"]["sampled_s"] == 1.92


def test_a_failure_says_what_to_do(client: httpx.Client, jobs: RedisJobStore) -> None:
    video_id = accepted_id(client)
    jobs.fail(video_id, Failure.of(NoVideoStream("Only audio.")))
    video = client.get(f"/videos/{video_id}").json()
    assert video["status"] == "failed"
    assert video["failure"]["code"] == "no_video_stream"
    assert video["failure"]["action"] == NoVideoStream.action


@pytest.mark.parametrize("picture", ["faces/{}/thumbnail", "faces/{}/landmarks", "heatmaps/{}/0"])
def test_missing_and_malformed_pictures(client: httpx.Client, picture: str) -> None:
    video = f"/videos/{accepted_id(client)}"
    assert_problem(client, client.get(f"{video}/{picture.format(0)}"), 404, "object_not_found")
    assert_problem(client, client.get(f"{video}/{picture.format('first')}"), 422, "invalid_request")
    bad_id = client.get(f"/videos/1/{picture.format(0)}")
    assert_problem(client, bad_id, 422, "malformed_video_id")


def test_readiness_names_what_is_down(
    client: httpx.Client, gateway: GatewayProcess, jobs: RedisJobStore, valkey: ValkeyServer
) -> None:
    def down() -> set[str]:
        response = client.get("/readyz")
        checks = response.json()["checks"]
        failing = {name for name, check in checks.items() if not check["ok"]}
        assert response.status_code == (503 if failing else 200)
        assert response.json()["ready"] is not bool(failing)
        assert all(check["detail"] for check in checks.values())
        return failing

    assert down() == {"preprocessor", "inference"}
    jobs.announce_worker("preprocessor", "one")
    assert down() == {"inference"}
    jobs.announce_worker("inference", "one")
    assert down() == set()
    folder = gateway.data_dir / "store"
    moved = folder.rename(folder.with_name("elsewhere"))
    try:
        assert down() == {"object_store"}
        assert_problem(client, submit(client), 503, "object_store_unavailable")
    finally:
        moved.rename(folder)
    with valkey.stopped():
        assert down() == {"redis", "preprocessor", "inference"}
    with valkey.frozen():
        started = time.monotonic()
        assert down() == {"redis", "preprocessor", "inference"}
        assert client.get("/healthz").status_code == 200
        assert time.monotonic() - started < 3.5


def test_without_redis_videos_are_taken_told_and_queued_later(
    client: httpx.Client, jobs: RedisJobStore, store: LocalObjectStore, valkey: ValkeyServer
) -> None:
    finished = accepted_id(client)
    store.put(
        f"videos/{finished}/result.json",
        result_of(finished).model_dump_json().encode(),
        content_type="application/json",
    )
    with valkey.stopped():
        response = submit(client)
        assert response.status_code == 202
        video_id = response.json()["id"]
        assert store.exists(record_key(video_id))
        assert client.get(f"/videos/{video_id}").json()["status"] == "queued"
        assert client.get(f"/videos/{finished}").json()["result"]["verdict"] == "fake"
        assert_problem(client, client.get(f"/videos/{UNKNOWN_ID}"), 404, "video_not_found")
    deadline = time.monotonic() + 10
    while (state := jobs.get(video_id)) is None or not state.waiting:
        assert time.monotonic() < deadline, "nobody queued the video"
        time.sleep(0.1)


def test_a_restart_keeps_every_video_even_if_redis_forgets(
    client: httpx.Client, gateway: GatewayProcess, valkey: ValkeyServer
) -> None:
    video = submit(client).json()
    assert gateway.stop() == -signal.SIGTERM
    valkey.flush()
    gateway.run()
    again = client.get(f"/videos/{video['id']}")
    assert again.status_code == 200
    assert again.json()["source"] == video["source"]


def test_a_shutdown_does_not_wait_for_slow_uploads_and_leaves_nothing_of_them(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    before = gateway.stored_keys()
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=10)
    connection.putrequest("POST", "/videos")
    connection.putheader("Content-Type", MULTIPART["Content-Type"])
    connection.putheader("Content-Length", "2000000")
    connection.endheaders(HEAD + VIDEO)
    done = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not done.wait(0.1):
                connection.send(bytes(5000))

    dripping = threading.Thread(target=drip)
    dripping.start()
    started = time.monotonic()
    gateway.stop()
    stopped_in_s = time.monotonic() - started
    done.set()
    dripping.join()
    connection.close()
    assert gateway.stored_keys() == before
    assert stopped_in_s < 6
    gateway.run()


def test_the_description_is_complete(client: httpx.Client) -> None:
    description = client.get("/openapi.json").json()
    assert set(description["paths"]) == {
        "/videos",
        "/videos/{video_id}",
        "/videos/{video_id}/cancel",
        "/videos/{video_id}/events",
        "/videos/{video_id}/report",
        "/videos/{video_id}/source",
        "/videos/{video_id}/faces/{track_id}/thumbnail",
        "/videos/{video_id}/faces/{track_id}/landmarks",
        "/videos/{video_id}/heatmaps/{track_id}/{number}",
        "/videos/{video_id}/playback",
        "/playback",
        "/videos/{video_id}/analyses",
        "/videos/{video_id}/webhooks",
        "/batches",
        "/batches/{batch_id}",
        "/batches/{batch_id}/cancel",
        "/uploads",
        "/uploads/{upload_id}",
        "/models",
        "/models/active",
        "/models/{name}/{version}",
        "/models/{name}/{version}/figures/{file}",
        "/keys",
        "/keys/{key_id}",
        "/metrics",
        "/healthz",
        "/readyz",
    }
    text = json.dumps(description)
    for reference in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert reference in description["components"]["schemas"]
    assert "HTTPValidationError" not in text
    upload = description["paths"]["/videos"]["post"]["requestBody"]["content"]
    fields = upload["multipart/form-data"]["schema"]["properties"]
    assert fields["file"]["format"] == "binary"
    assert fields["face_mode"]["enum"] == ["faces", "full_frame"]
    assert fields["landmark_overlays"]["type"] == "boolean"
    assert (fields["model"]["type"], fields["model"]["pattern"]) == ("string", MODEL_PATTERN)
    assert "commercial" in fields["landmark_overlays"]["description"]


def test_the_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert f'content="{LIMIT}"' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert links
    for link in links:
        assert link.startswith("/")
        assert client.get(link).status_code == 200
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page.text)


def test_the_page_has_words_for_every_reason(client: httpx.Client) -> None:
    words = client.get("/static/words.js").text
    described = client.get("/openapi.json").json()["components"]["schemas"]["Reason"]["enum"]
    assert set(described) == set(Reason)
    for reason in described:
        assert re.search(rf'^  {reason}: \["', words, re.MULTILINE), reason
    for reason in ("faces_too_small", "faces_too_blurred", "too_little_usable"):
        assert re.search(rf'^  {reason}: "', words, re.MULTILINE), reason


def test_the_page_offers_every_option_that_the_description_knows(client: httpx.Client) -> None:
    upload = client.get("/openapi.json").json()["paths"]["/videos"]["post"]["requestBody"]
    described = upload["content"]["multipart/form-data"]["schema"]["properties"]
    offered = re.findall(r'<input[^>]*\bname="(\w+)"[^>]*\bvalue="(\w+)"', client.get("/").text)
    # Which model judges is a choice for programs; people get the one that is active. People look at
    # the page, and programs wait for webhooks.
    assert {name for name, _ in offered} == described.keys() - {"file", "model", "webhook_url"}
    for name, value in offered:
        assert value in described[name].get("enum", ["true", "false"])
