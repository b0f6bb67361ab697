"""Sending a file in parts: what goes where, and what happens when a part does not arrive."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from client_doubles import AnsweringServer, client_of

from unmask_client import (
    AnalysisOptions,
    Client,
    ConnectionFailed,
    InvalidArgument,
    NotFound,
    PartRefused,
    RetryPolicy,
)
from unmask_gateway.schemas import EXAMPLE_ID, QUEUED_EXAMPLE

MakeClient = Callable[..., AbstractContextManager[Client]]

CONTENT = b"abcdefghij"
QUEUED = httpx.Response(202, json=QUEUED_EXAMPLE)
TAKEN = httpx.Response(200)
EXPIRED = httpx.Response(403, text="<Error><Code>AccessDenied</Code></Error>")
GONE = httpx.Response(404, json={"code": "upload_not_found", "title": "t", "detail": "d"})
CUT = httpx.ReadError("cut")


@pytest.fixture(params=["blocking", "async"])
def make_client(request: pytest.FixtureRequest) -> MakeClient:
    return partial(client_of, request.param, api_key="secret")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)
    return path


def upload(*stored: int, generation: int = 1) -> httpx.Response:
    parts = [
        {
            "number": number,
            "first_byte": first,
            "bytes": size,
            "stored": number in stored,
            "url": f"https://store.test/file?part={number}&generation={generation}",
        }
        for number, first, size in ((1, 0, 4), (2, 4, 4), (3, 8, 2))
    ]
    document = {
        "id": EXAMPLE_ID,
        "expires_at": "2026-05-05T09:30:00Z",
        "filename": "clip.mp4",
        "bytes": len(CONTENT),
        "complete": len(stored) == len(parts),
        "parts": parts,
    }
    return httpx.Response(200, json=document)


def requests_of(server: AnsweringServer) -> list[tuple[str, str, bytes]]:
    return [(one.method, one.url.host, one.content) for one in server.requests]


def test_each_part_goes_to_its_url_without_the_key(make_client: MakeClient, clip: Path) -> None:
    server = AnsweringServer([upload(), TAKEN, TAKEN, TAKEN, QUEUED])
    told: list[tuple[int, int | None]] = []
    with make_client(server) as client:
        client.submit_directly(
            clip,
            AnalysisOptions(heatmaps=True),
            webhook_url="https://example.com/hook",
            on_upload=lambda sent, total: told.append((sent, total)),
        )
    begin, *parts, accept = server.requests
    assert json.loads(begin.content) == {"bytes": 10, "filename": "clip.mp4"}
    assert [part.content for part in parts] == [b"abcd", b"efgh", b"ij"]
    assert [part.headers["content-length"] for part in parts] == ["4", "4", "2"]
    assert {(part.method, part.url.host) for part in parts} == {("PUT", "store.test")}
    assert not any("authorization" in part.headers for part in parts)
    assert begin.headers["authorization"] == accept.headers["authorization"] == "Bearer secret"
    assert json.loads(accept.content) == {
        "upload_id": EXAMPLE_ID,
        "heatmaps": True,
        "webhook_url": "https://example.com/hook",
    }
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_a_part_that_broke_off_is_sent_again_and_no_other(
    make_client: MakeClient, clip: Path
) -> None:
    server = AnsweringServer([upload(), TAKEN, CUT, httpx.Response(503), TAKEN, TAKEN, QUEUED])
    with make_client(server) as client:
        client.submit_directly(clip)
    assert [one.content for one in server.requests[1:-1]] == [b"abcd", *[b"efgh"] * 3, b"ij"]


def test_an_upload_goes_on_in_another_process(make_client: MakeClient, clip: Path) -> None:
    begun: list[str] = []
    first = AnsweringServer([upload(), TAKEN, CUT])
    policy = RetryPolicy(attempts=2, first_pause_s=0.0)
    with (
        make_client(first, retries=policy) as client,
        pytest.raises(ConnectionFailed, match=r"https://store\.test/ gave no answer") as caught,
    ):
        client.submit_directly(clip, on_begun=lambda upload: begun.append(upload.id))
    assert "goes on where it stopped" in caught.value.action
    assert begun == [EXAMPLE_ID]
    second = AnsweringServer([upload(1), TAKEN, TAKEN, QUEUED])
    told: list[int] = []
    with make_client(second) as client:
        client.submit_directly(
            clip, upload_id=begun[0], on_upload=lambda sent, _: told.append(sent)
        )
    assert [one[2] for one in requests_of(second)[1:-1]] == [b"efgh", b"ij"]
    assert told == [8, 10]


def test_urls_that_ran_out_are_asked_for_anew(make_client: MakeClient, clip: Path) -> None:
    server = AnsweringServer(
        [upload(), TAKEN, EXPIRED, upload(1, generation=2), TAKEN, TAKEN, QUEUED]
    )
    with make_client(server) as client:
        client.submit_directly(clip)
    queries = [one.url.params.get("generation") for one in server.requests]
    assert queries == [None, "1", "1", None, "2", "2", None]


def test_a_store_that_takes_nothing_is_given_up(make_client: MakeClient, clip: Path) -> None:
    replies = [upload(), EXPIRED, upload(), EXPIRED, upload(), EXPIRED, QUEUED]
    server = AnsweringServer(replies)
    with make_client(server) as client, pytest.raises(PartRefused, match="403"):
        client.submit_directly(clip)
    assert len(server.requests) == 6


def test_an_upload_that_is_a_video_already_brings_that_video(
    make_client: MakeClient, clip: Path
) -> None:
    server = AnsweringServer([GONE, QUEUED])
    with make_client(server) as client:
        assert client.submit_directly(clip, upload_id=EXAMPLE_ID).id == EXAMPLE_ID
    assert [one.method for one in server.requests] == ["GET", "POST"]
    with make_client(AnsweringServer([GONE])) as client, pytest.raises(NotFound):
        client.submit_directly(clip, upload_id=EXAMPLE_ID)


@pytest.mark.parametrize("content", [b"", None])
def test_what_is_no_file_with_content_is_refused(
    make_client: MakeClient, tmp_path: Path, content: Any
) -> None:
    path = tmp_path / "other.mp4"
    if content is not None:
        path.write_bytes(content)
    server = AnsweringServer([upload()])
    with make_client(server) as client, pytest.raises(InvalidArgument, match=r"other\.mp4"):
        client.submit_directly(path)
    assert not server.requests


def test_another_file_than_the_one_that_was_begun_is_refused(
    make_client: MakeClient, tmp_path: Path
) -> None:
    path = tmp_path / "other.mp4"
    path.write_bytes(b"longer than it was")
    server = AnsweringServer([upload(1)])
    with make_client(server) as client, pytest.raises(InvalidArgument, match="18 bytes"):
        client.submit_directly(path, upload_id=EXAMPLE_ID)
    assert len(server.requests) == 1


def test_a_file_that_shrinks_while_it_is_sent_is_told(make_client: MakeClient, clip: Path) -> None:
    class Server(AnsweringServer):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            clip.write_bytes(b"abcdef")
            return super().__call__(request)

    server = Server([upload(), TAKEN, QUEUED])
    with make_client(server) as client, pytest.raises(InvalidArgument, match="became shorter"):
        client.submit_directly(clip)


def test_an_upload_can_be_asked_for_and_given_up(make_client: MakeClient) -> None:
    server = AnsweringServer([upload(1), httpx.Response(204)])
    with make_client(server) as client:
        found = client.upload(EXAMPLE_ID)
        assert (found.stored_bytes, found.complete) == (4, False)
        client.discard_upload(EXAMPLE_ID)
    assert [(one.method, one.url.path) for one in server.requests] == [
        ("GET", f"/uploads/{EXAMPLE_ID}"),
        ("DELETE", f"/uploads/{EXAMPLE_ID}"),
    ]
