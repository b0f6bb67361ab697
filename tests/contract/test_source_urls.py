"""POST /videos with the URL of a file: a gateway process, a real Valkey, a server of our own."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from file_server import FileServer, file_server, redirects, sends
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer

from unmask_shared.artifacts import source_key
from unmask_shared.job_store import RedisJobStore
from unmask_shared.messages import PREPROCESSOR_QUEUE
from unmask_shared.object_store import LocalObjectStore

VIDEO = b"GIF89a" + bytes(range(256)) * 1000
LIMIT = len(VIDEO)


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    with file_server() as server:
        server.answers |= {
            "/clip.gif": sends(VIDEO, Content_Type="image/gif"),
            "/moved": redirects("/clip.gif"),
            "/long.gif": sends(VIDEO + b"x", declared=False),
            "/page.html": sends(b"<html>" * 1000, Content_Type="text/html"),
            "/empty": sends(b""),
        }
        yield server


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer, server: FileServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        max_upload_bytes=LIMIT,
        source_url_allow_private="true",
        source_url_allowed_ports=f"80,{server.port}",
        source_url_allowed_hosts="127.0.0.1",
    ) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess, redis_url: str, server: FileServer) -> Iterator[httpx.Client]:
    server.received.clear()
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        yield client


def test_a_file_is_fetched_and_becomes_a_video(
    client: httpx.Client, gateway: GatewayProcess, server: FileServer, job_store: RedisJobStore
) -> None:
    answer = client.post(
        "/videos", json={"source_url": server.url("/moved"), "face_mode": "full_frame"}
    )
    assert answer.status_code == 202, answer.text
    video = answer.json()
    assert answer.headers["location"] == f"/videos/{video['id']}"
    assert video["source"]["filename"] == "clip.gif"
    assert video["source"]["bytes"] == len(VIDEO)
    assert video["options"]["face_mode"] == "full_frame"
    store = LocalObjectStore(gateway.data_dir / "store")
    assert store.get(source_key(video["id"])) == VIDEO
    assert job_store.queue_length(PREPROCESSOR_QUEUE) == 1
    assert client.get(answer.headers["location"]).json()["source"] == video["source"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("http://127.0.0.2/clip.gif", 422, "url_refused"),
        ("http://127.0.0.1:22/clip.gif", 422, "url_refused"),
        ("file:///etc/passwd", 422, "url_refused"),
        ("/missing.gif", 424, "source_url_unreachable"),
        ("/long.gif", 413, "upload_too_large"),
        ("/page.html", 415, "not_a_video"),
        ("/empty", 400, "empty_upload"),
    ],
)
def test_files_that_are_refused_leave_nothing(
    client: httpx.Client,
    gateway: GatewayProcess,
    server: FileServer,
    path: str,
    status: int,
    code: str,
) -> None:
    before = gateway.stored_keys()
    url = server.url(path) if path.startswith("/") else path
    answer = client.post("/videos", json={"source_url": url})
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    assert gateway.stored_keys() == before
    described = client.get("/openapi.json").json()["paths"]["/videos"]["post"]["responses"]
    assert code in described[str(status)]["content"]["application/problem+json"]["examples"]


@pytest.mark.parametrize(
    ("body", "code", "names"),
    [
        ({}, "invalid_request", "source_url"),
        ({"source_url": 5}, "invalid_request", "source_url"),
        ({"source_url": "http://127.0.0.1/", "face_mod": "faces"}, "invalid_request", "face_mod"),
        ({"source_url": "http://127.0.0.1/", "face_mode": "x"}, "invalid_option", "face_mode"),
        ([], "invalid_request", "the body"),
        ({"source_url": "x" * 3_000}, "invalid_request", "source_url"),
    ],
)
def test_bodies_that_are_no_submission_are_refused_with_what_is_wrong(
    client: httpx.Client, body: Any, code: str, names: str
) -> None:
    answer = client.post("/videos", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == code
    assert names in answer.json()["detail"]


def test_bodies_that_are_no_json_are_refused(client: httpx.Client) -> None:
    for content in (b"", b"{", b"\xff"):
        answer = client.post(
            "/videos", content=content, headers={"Content-Type": "application/json; charset=x"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_repeated_request_fetches_nothing(client: httpx.Client, server: FileServer) -> None:
    key = {"Idempotency-Key": "one-url"}
    body = {"source_url": server.url("/clip.gif")}
    first = client.post("/videos", json=body, headers=key)
    again = client.post("/videos", json=body, headers=key)
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert server.asked() == ["/clip.gif"]
    other = client.post("/videos", json=body | {"heatmaps": True}, headers=key)
    assert other.json()["code"] == "idempotency_key_reused"


def test_the_description_has_both_forms(client: httpx.Client) -> None:
    body = client.get("/openapi.json").json()["paths"]["/videos"]["post"]["requestBody"]["content"]
    form = body["multipart/form-data"]["schema"]["properties"]
    document = body["application/json"]["schema"]["properties"]
    assert document.keys() - {"source_url", "upload_id"} == form.keys() - {"file"}
