"""Downloading and playing the file of a video: a gateway process, a real Valkey and S3 server."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway, settings_of
from real_services import SeaweedServer, ValkeyServer

from unmask_shared.artifacts import source_key
from unmask_shared.object_store import ObjectStore

VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(251)) * 20_000
ETAG = f'"{hashlib.sha256(VIDEO).hexdigest()}"'
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer, s3_server: SeaweedServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        shutdown_grace_s=1,
        **settings_of(s3_server.settings()),
    ) as process:
        yield process


@pytest.fixture
def client(
    gateway: GatewayProcess, redis_url: str, s3_store: ObjectStore
) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        yield client


def submitted(client: httpx.Client, content: bytes = VIDEO, name: str = "Bär.mp4") -> str:
    answer = client.post("/videos", files={"file": (name, content, "text/html")})
    assert answer.status_code == 202, answer.text
    return f"/videos/{answer.json()['id']}/source"


def test_the_file_comes_back_as_it_was_sent(client: httpx.Client) -> None:
    path = submitted(client)
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content == VIDEO
    headers = answer.headers
    assert headers["content-type"] == "video/mp4"  # whatever its sender said
    assert headers["content-length"] == str(len(VIDEO))
    assert headers["etag"] == ETAG
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"].startswith("attachment; ")
    assert headers["content-disposition"].endswith("filename*=UTF-8''B%C3%A4r.mp4")


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-", 0, len(VIDEO)),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=3000000-", 3_000_000, len(VIDEO)),
        ("bytes=-100", len(VIDEO) - 100, len(VIDEO)),
    ],
)
def test_players_get_the_stretch_that_they_ask_for(
    client: httpx.Client, value: str, start: int, stop: int
) -> None:
    path = submitted(client)
    for method in ("GET", "HEAD"):
        answer = client.request(method, path, headers={"Range": value, "If-Range": ETAG})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(VIDEO)}"
        assert answer.headers["content-length"] == str(stop - start)
        assert answer.headers["etag"] == ETAG
        assert answer.content == (VIDEO[start:stop] if method == "GET" else b"")


def test_what_lies_behind_the_end_is_refused_with_the_size(client: httpx.Client) -> None:
    answer = client.get(submitted(client), headers={"Range": f"bytes={len(VIDEO)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(VIDEO)}"


def test_who_has_the_file_gets_no_second_copy(client: httpx.Client) -> None:
    path = submitted(client)
    known = client.get(path, headers={"If-None-Match": ETAG})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", ETAG)
    stale = client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (stale.status_code, len(stale.content)) == (200, len(VIDEO))


def test_the_size_is_told_without_the_file(client: httpx.Client) -> None:
    answer = client.head(submitted(client))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(VIDEO))


def test_a_file_that_is_gone_is_a_problem_not_half_an_answer(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    path = submitted(client)
    s3_store.delete_prefix(source_key(path.split("/")[2]))
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")
    unknown = client.get(f"/videos/{UNKNOWN_ID}/source")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "video_not_found")


def test_slow_clients_of_large_files_take_little_memory(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    size = 80_000_000
    path = submitted(client, VIDEO + bytes(size - len(VIDEO)))
    with client.stream("GET", path) as warm_up:
        next(warm_up.iter_raw())
    before = gateway.memory_bytes
    with client.stream("GET", path) as answer:
        pieces = answer.iter_raw()
        read = len(next(pieces))
        assert gateway.memory_bytes - before < 20_000_000
        read += sum(map(len, pieces))
    assert read == size
    assert gateway.memory_bytes - before < 20_000_000
