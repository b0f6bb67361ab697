"""What the clients send, and what they make of answers; the same for both."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from client_doubles import AnsweringServer, client_of

from unmask_client import (
    AccessRefused,
    AnalysisChanges,
    AnalysisOptions,
    BatchWaitTimedOut,
    Client,
    Conflict,
    ConnectionFailed,
    InvalidArgument,
    NewItem,
    NotFound,
    ProblemError,
    RetryPolicy,
    Status,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    VideoFilter,
    WaitTimedOut,
)
from unmask_client.operations import form_of
from unmask_gateway.batches.listing import BATCHES_EXAMPLE
from unmask_gateway.batches.view import BATCH_EXAMPLE
from unmask_gateway.listing import PAGE_EXAMPLE
from unmask_gateway.model_schemas import ACTIVE_EXAMPLE, DETAILS_EXAMPLE, ENTRY_EXAMPLE
from unmask_gateway.problems import problem_of
from unmask_gateway.routes.webhooks import Webhooks as ServerWebhooks
from unmask_gateway.schemas import COMPLETED_EXAMPLE, EXAMPLE_ID, QUEUED_EXAMPLE
from unmask_shared.errors import (
    NotAVideo,
    ObjectStoreUnavailable,
    TruncatedUpload,
    UnmaskError,
    VideoNotFound,
)

WEBHOOKS_EXAMPLE = ServerWebhooks.model_json_schema()["examples"][0]

MakeClient = Callable[..., AbstractContextManager[Client]]

QUEUED = httpx.Response(202, json=QUEUED_EXAMPLE, headers={"Retry-After": "0"})
RUNNING = httpx.Response(
    200,
    json=QUEUED_EXAMPLE | {"status": "preprocessing", "progress": 0.3},
    headers={"Retry-After": "0"},
)
COMPLETED = httpx.Response(200, json=COMPLETED_EXAMPLE)
KEY = {
    "id": "6f1ed002ab559585",
    "name": "newsroom",
    "scopes": ["read"],
    "created_at": "2026-05-04T09:30:00Z",
    "revoked_at": None,
}
CUT = httpx.ReadError("cut")
REFUSED = httpx.ConnectError("refused")


@pytest.fixture(params=["blocking", "async"])
def make_client(request: pytest.FixtureRequest) -> MakeClient:
    return partial(client_of, request.param)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not really a video")
    return path


def refusal(error: UnmaskError, **headers: str) -> httpx.Response:
    """What the gateway answers to this error."""
    return httpx.Response(
        error.http_status,
        content=problem_of(error, "/videos").model_dump_json(),
        headers={"Content-Type": "application/problem+json", **headers},
    )


def problem(status: int, **headers: str) -> httpx.Response:
    document = {"code": "c", "title": "t", "detail": "d", "action": "a"}
    return httpx.Response(status, json=document, headers=headers)


class Unseekable(io.RawIOBase):
    """A pipe, for example."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(buffer)


def test_a_file_is_sent_as_a_form_with_the_chosen_options(
    make_client: MakeClient, clip: Path
) -> None:
    server = AnsweringServer([QUEUED])
    with make_client(server) as client:
        video = client.submit(clip, AnalysisOptions(heatmaps=True), filename="scene 7.mp4")
    [request] = server.requests
    assert (request.method, request.url.path) == ("POST", "/videos")
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert int(request.headers["content-length"]) == len(request.content)
    assert b'name="heatmaps"\r\n\r\ntrue\r\n' in request.content
    assert b"landmark_overlays" not in request.content  # left to the server
    assert b'filename="scene 7.mp4"' in request.content
    assert b"\r\n\r\nnot really a video\r\n" in request.content
    assert video.id == EXAMPLE_ID
    assert not video.status.is_final


def test_an_open_file_and_a_pipe_are_sent_too(make_client: MakeClient, clip: Path) -> None:
    server = AnsweringServer([QUEUED])
    with make_client(server) as client, clip.open("rb") as file:
        client.submit(file)
        client.submit(io.BufferedReader(Unseekable(b"from a pipe")), filename="pipe.webm")
    first, second = server.requests
    assert b'filename="clip.mp4"' in first.content
    assert second.headers["transfer-encoding"] == "chunked"
    assert b"from a pipe" in second.content


def test_the_progress_of_an_upload_ends_with_all_of_it(
    make_client: MakeClient, tmp_path: Path
) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(300_000))
    told: list[tuple[int, int | None]] = []
    server = AnsweringServer([QUEUED])
    with make_client(server) as client:
        client.submit(large, on_upload=lambda sent, total: told.append((sent, total)))
    length = len(server.requests[0].content)
    assert told[-1] == (length, length)
    assert len(told) > 3
    assert [sent for sent, _ in told] == sorted(sent for sent, _ in told)


def test_a_finished_video_is_read_whole(make_client: MakeClient) -> None:
    with make_client(AnsweringServer([COMPLETED])) as client:
        video = client.get(EXAMPLE_ID)
    assert video.result is not None
    assert video.as_json() == COMPLETED_EXAMPLE


def test_fields_of_a_newer_server_are_ignored(make_client: MakeClient) -> None:
    newer = httpx.Response(200, json=QUEUED_EXAMPLE | {"owner": "somebody"})
    with make_client(AnsweringServer([newer])) as client:
        assert client.get(EXAMPLE_ID).id == EXAMPLE_ID


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json={"id": 3})]
)
def test_what_is_no_video_is_an_unexpected_answer(
    make_client: MakeClient, answer: httpx.Response
) -> None:
    with (
        make_client(AnsweringServer([answer])) as client,
        pytest.raises(UnexpectedAnswer, match="Video") as caught,
    ):
        client.get(EXAMPLE_ID)
    assert "UNMASK_URL" in caught.value.action


def test_a_problem_keeps_everything_that_the_server_said(make_client: MakeClient) -> None:
    error = NotAVideo("'a.txt' does not begin like any video.")
    server = AnsweringServer([refusal(error)])
    with make_client(server) as client, pytest.raises(ProblemError) as raised:
        client.get(EXAMPLE_ID)
    caught = raised.value
    assert (caught.code, caught.status, caught.detail) == ("not_a_video", 415, error.detail)
    assert (caught.title, caught.action, caught.retryable) == (error.title, error.action, False)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AccessRefused),
        (403, AccessRefused),
        (404, NotFound),
        (409, Conflict),
        (429, TooManyRequests),
        (502, Unavailable),
        (503, Unavailable),
        (418, ProblemError),
    ],
)
def test_the_kind_of_a_problem_follows_its_status(
    make_client: MakeClient, status: int, kind: type[ProblemError]
) -> None:
    with make_client(AnsweringServer([problem(status)])) as client, pytest.raises(kind) as caught:
        client.get(EXAMPLE_ID)
    assert type(caught.value) is kind


def test_a_proxy_that_knows_no_problems_is_told_by_its_status(make_client: MakeClient) -> None:
    proxy = httpx.Response(413, text="<h1>413</h1>")
    with make_client(AnsweringServer([proxy])) as client, pytest.raises(ProblemError) as caught:
        client.get(EXAMPLE_ID)
    assert caught.value.code == "http_413"


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (httpx.Response(401, json={"code": "key_missing", "action": "Send a header."}), "API_KEY"),
        (httpx.Response(404, json={"code": "route_not_found", "action": "See /openapi"}), "_URL"),
        (httpx.Response(404, text="<h1>nginx</h1>"), "UNMASK_URL"),
    ],
)
def test_advice_is_for_whoever_uses_the_client(
    make_client: MakeClient, answer: httpx.Response, advice: str
) -> None:
    with make_client(AnsweringServer([answer])) as client, pytest.raises(ProblemError) as caught:
        client.get(EXAMPLE_ID)
    assert advice in caught.value.action


def test_an_end_without_a_word_is_told_by_its_name(make_client: MakeClient) -> None:
    server = AnsweringServer([httpx.ReadError("")])
    with make_client(server) as client, pytest.raises(ConnectionFailed, match="ReadError"):
        client.get(EXAMPLE_ID)


def test_what_may_work_later_is_asked_again(make_client: MakeClient) -> None:
    busy = refusal(ObjectStoreUnavailable(), **{"Retry-After": "0"})
    server = AnsweringServer([REFUSED, busy, CUT, problem(502), COMPLETED])
    with make_client(server) as client:
        assert client.get(EXAMPLE_ID).status == "completed"
    assert len(server.requests) == 5


def test_attempts_end(make_client: MakeClient) -> None:
    server = AnsweringServer([REFUSED])
    policy = RetryPolicy(attempts=3, first_pause_s=0.0)
    with (
        make_client(server, retries=policy) as client,
        pytest.raises(ConnectionFailed, match=r"http://unmask\.test") as caught,
    ):
        client.get(EXAMPLE_ID)
    assert len(server.requests) == 3
    assert "unmask serve" in caught.value.action


def test_what_cannot_get_better_is_asked_once(make_client: MakeClient) -> None:
    server = AnsweringServer([refusal(VideoNotFound())])
    with make_client(server) as client, pytest.raises(NotFound):
        client.get(EXAMPLE_ID)
    assert len(server.requests) == 1


def test_a_server_that_wants_a_long_rest_is_left_alone(make_client: MakeClient) -> None:
    server = AnsweringServer([problem(429, **{"Retry-After": "3600"})])
    with make_client(server) as client, pytest.raises(TooManyRequests) as caught:
        client.get(EXAMPLE_ID)
    assert len(server.requests) == 1
    assert caught.value.retry_after_s == 3600


def test_a_file_is_sent_again_whole_after_a_refusal(make_client: MakeClient, clip: Path) -> None:
    server = AnsweringServer([REFUSED, refusal(TruncatedUpload()), QUEUED])
    with make_client(server) as client, clip.open("rb") as file:
        client.submit(file)
    bodies = [request.content for request in server.requests[1:]]
    assert all(b"\r\n\r\nnot really a video\r\n" in body for body in bodies)


def test_a_file_is_sent_again_under_the_same_key_when_the_answer_is_lost(
    make_client: MakeClient, clip: Path
) -> None:
    server = AnsweringServer([CUT, problem(502), QUEUED])
    with make_client(server) as client:
        client.submit(clip)
        client.submit(clip)
        client.submit(clip, idempotency_key="mine")
    first, *again, second, mine = [one.headers["idempotency-key"] for one in server.requests]
    assert again == [first, first]
    assert len({first, second, mine}) == 3
    assert mine == "mine"


def test_a_url_is_left_to_the_server_to_fetch(make_client: MakeClient) -> None:
    server = AnsweringServer([QUEUED])
    with make_client(server) as client:
        client.submit("https://example.com/a.mp4", AnalysisOptions(heatmaps=True))
    assert json.loads(server.requests[0].content) == {
        "source_url": "https://example.com/a.mp4",
        "heatmaps": True,
    }


def test_a_webhook_is_asked_for_in_forms_and_in_json(make_client: MakeClient, clip: Path) -> None:
    server = AnsweringServer([QUEUED])
    with make_client(server) as client:
        client.submit(clip, webhook_url="https://example.com/hook")
        client.submit("https://example.com/a.mp4", webhook_url="https://example.com/hook")
    form, document = server.requests
    assert b'name="webhook_url"\r\n\r\nhttps://example.com/hook\r\n' in form.content
    assert json.loads(document.content)["webhook_url"] == "https://example.com/hook"


def test_what_became_of_a_webhook_is_read(make_client: MakeClient) -> None:
    server = AnsweringServer([httpx.Response(200, json=WEBHOOKS_EXAMPLE)])
    with make_client(server) as client:
        found = client.webhooks(EXAMPLE_ID)
    assert server.requests[0].url.path == f"/videos/{EXAMPLE_ID}/webhooks"
    assert found.url == "https://example.com/hooks/unmask"
    [delivery] = found.deliveries
    assert (delivery.event, delivery.status) == ("video.completed", "delivered")
    assert [attempt.status_code for attempt in delivery.attempts] == [503, 204]


def test_a_video_is_analysed_again_under_one_key(make_client: MakeClient) -> None:
    server = AnsweringServer([CUT, problem(502), QUEUED])
    with make_client(server) as client:
        client.analyze_again(EXAMPLE_ID, AnalysisChanges(model="a/1", heatmaps=False))
        client.analyze_again(EXAMPLE_ID, idempotency_key="mine")
    first, *again, last = server.requests
    assert first.url.path == f"/videos/{EXAMPLE_ID}/analyses"
    assert json.loads(first.content) == {"model": "a/1", "heatmaps": False}
    assert {one.headers["idempotency-key"] for one in again} == {first.headers["idempotency-key"]}
    assert (last.headers["idempotency-key"], last.content) == ("mine", b"{}")


def test_options_are_written_as_the_form_takes_them() -> None:
    options = AnalysisOptions(face_mode="full_frame", heatmaps=True, model="ResNet/1.0-RC")
    assert form_of(options) == {
        "face_mode": "full_frame",
        "heatmaps": "true",
        "model": "ResNet/1.0-RC",
    }


def test_batches_and_their_items_come_from_all_pages(make_client: MakeClient) -> None:
    [summary] = BATCHES_EXAMPLE["batches"]
    first, second = BATCH_EXAMPLE["items"]
    answers = [
        BATCHES_EXAMPLE | {"next_cursor": summary["id"]},
        BATCHES_EXAMPLE | {"batches": [summary | {"id": "2"}]},
        BATCH_EXAMPLE | {"items": [first], "next_cursor": 1},
        BATCH_EXAMPLE | {"items": [second], "next_cursor": None},
    ]
    server = AnsweringServer([httpx.Response(200, json=answer) for answer in answers])
    with make_client(server) as client:
        listed = client.batches()
        assert [one.id for one in listed] == [summary["id"], "2"]
        batch = client.batch(summary["id"])
    assert [request.url.params.get("cursor") for request in server.requests] == [
        *(None, summary["id"]),
        *(None, "1"),
    ]
    assert server.requests[2].url.path == f"/batches/{summary['id']}"
    assert [item.status for item in batch.items] == ["inferring", "refused"]
    assert batch.items[1].problem is not None
    assert batch.items[1].problem.code == "upload_not_found"
    assert (batch.total, batch.counts["pending"]) == (3, 1)


def test_a_batch_is_submitted_under_one_key_and_told_whole(make_client: MakeClient) -> None:
    first, second = BATCH_EXAMPLE["items"]
    pages = [
        BATCH_EXAMPLE | {"items": [first], "next_cursor": 1},
        BATCH_EXAMPLE | {"items": [second], "next_cursor": None},
    ]
    accepted, rest = (httpx.Response(200, json=page) for page in pages)
    server = AnsweringServer([CUT, accepted, rest])
    with make_client(server) as client:
        batch = client.submit_batch(
            [
                "https://example.com/a.mp4",
                NewItem(upload_id="7", options=AnalysisOptions(heatmaps=True)),
            ],
            webhook_url="https://example.com/hook",
        )
    lost, sent, more = server.requests
    assert json.loads(sent.content) == {
        "items": [
            {"source_url": "https://example.com/a.mp4"},
            {"upload_id": "7", "heatmaps": True},
        ],
        "webhook_url": "https://example.com/hook",
    }
    assert lost.headers["idempotency-key"] == sent.headers["idempotency-key"]
    assert more.url.params["cursor"] == "1"
    assert [item.status for item in batch.items] == ["inferring", "refused"]


def test_a_batch_is_waited_for_and_then_told_whole(make_client: MakeClient) -> None:
    first, second = BATCH_EXAMPLE["items"]
    soon = {"Retry-After": "0"}
    waits = httpx.Response(200, json=BATCH_EXAMPLE, headers=soon)
    ended = BATCH_EXAMPLE | {"is_ended": True, "counts": {"completed": 2, "refused": 1}}
    pages = [
        ended | {"items": [first], "next_cursor": 1},
        ended | {"items": [second], "next_cursor": None},
    ]
    server = AnsweringServer([waits, waits, *(httpx.Response(200, json=page) for page in pages)])
    seen: list[int] = []
    with make_client(server) as client:
        batch = client.wait_for_batch("7", on_progress=lambda now: seen.append(now.ended))
    assert seen == [1, 3]
    assert [item.number for item in batch.items] == [first["number"], second["number"]]
    with (
        make_client(AnsweringServer([waits])) as client,
        pytest.raises(BatchWaitTimedOut, match="2 of 3 items") as late,
    ):
        client.wait_for_batch("7", timeout_s=0)
    assert late.value.batch.total == 3


@pytest.mark.parametrize("places", [{}, {"source_url": "https://a/b", "upload_id": "7"}])
def test_an_item_of_a_batch_is_in_one_place(places: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="source_url or an upload_id"):
        NewItem(**places)


def test_a_list_goes_over_all_pages(make_client: MakeClient) -> None:
    video = PAGE_EXAMPLE["videos"][0]
    pages = [
        PAGE_EXAMPLE | {"videos": [video, video | {"id": "2"}], "next_cursor": "abc"},
        PAGE_EXAMPLE | {"videos": [], "next_cursor": "def"},
        PAGE_EXAMPLE | {"videos": [video | {"id": "3"}], "next_cursor": None},
    ]
    server = AnsweringServer([httpx.Response(200, json=page) for page in pages])
    wanted = VideoFilter(
        statuses=[Status.COMPLETED, Status.FAILED],
        created_after=datetime(2026, 5, 1, tzinfo=UTC),
        filename="a b",
    )
    with make_client(server) as client:
        found = client.list(wanted)
        ids = [one.id for one in found]
    assert ids == [EXAMPLE_ID, "2", "3"]
    assert [request.url.params.get("cursor") for request in server.requests] == [None, "abc", "def"]
    query = server.requests[0].url.params
    assert query.get_list("status") == ["completed", "failed"]
    assert query["created_after"] == "2026-05-01T00:00:00+00:00"
    assert query["filename"] == "a b"


def test_models_and_keys_are_read(make_client: MakeClient) -> None:
    replies = [
        httpx.Response(200, json={"models": [ENTRY_EXAMPLE]}),
        httpx.Response(200, json=DETAILS_EXAMPLE),
        httpx.Response(200, json=ACTIVE_EXAMPLE),
        httpx.Response(201, json=KEY | {"key": "unmask_1_2"}),
        httpx.Response(200, json={"keys": [KEY]}),
        httpx.Response(204),
    ]
    server = AnsweringServer(replies)
    with make_client(server) as client:
        [model] = client.models()
        assert model.summary is not None
        assert model.summary.evaluations[0].auc == 0.88
        assert client.model(model.name, model.version).card["licence"]
        assert str(client.activate("resnet-lstm", "0.3.0").model) == "resnet-lstm/0.3.0"
        key = client.create_key("newsroom", ["read"])
        assert key.key == "unmask_1_2"
        assert key.key not in repr(key)
        assert [one.id for one in client.api_keys()] == [KEY["id"]]
        client.revoke_key(key.id)
    assert [(one.method, one.url.path) for one in server.requests] == [
        ("GET", "/models"),
        ("GET", "/models/resnet-lstm/0.2.0"),
        ("PUT", "/models/active"),
        ("POST", "/keys"),
        ("GET", "/keys"),
        ("DELETE", f"/keys/{KEY['id']}"),
    ]


def test_making_a_key_twice_is_not_risked(make_client: MakeClient) -> None:
    server = AnsweringServer([CUT])
    with make_client(server) as client, pytest.raises(ConnectionFailed):
        client.create_key("newsroom", ["read"])
    assert len(server.requests) == 1


def test_a_pipe_is_not_sent_again_once_it_was_read(make_client: MakeClient) -> None:
    server = AnsweringServer([refusal(TruncatedUpload()), QUEUED])
    with make_client(server) as client, pytest.raises(ProblemError, match="early"):
        client.submit(io.BufferedReader(Unseekable(b"once")))
    assert len(server.requests) == 1


@pytest.mark.parametrize("path", ["/nowhere/clip.mp4", "/"])
def test_a_file_that_cannot_be_read_is_named(make_client: MakeClient, path: str) -> None:
    server = AnsweringServer([QUEUED])
    with make_client(server) as client, pytest.raises(InvalidArgument, match=path):
        client.submit(path)
    assert not server.requests


def test_waiting_ends_with_the_video_and_tells_each_change(make_client: MakeClient) -> None:
    seen: list[float] = []
    no_events = problem(503)
    server = AnsweringServer([QUEUED, no_events, QUEUED, RUNNING, COMPLETED])
    with make_client(server) as client:
        video = client.wait(EXAMPLE_ID, on_progress=lambda video: seen.append(video.progress))
    assert video.status == "completed"
    assert seen == [0.0, 0.3, 1.0]


def test_waiting_in_vain_ends_and_says_where_the_video_stands(make_client: MakeClient) -> None:
    with (
        make_client(AnsweringServer([RUNNING])) as client,
        pytest.raises(WaitTimedOut, match="preprocessing") as caught,
    ):
        client.wait(EXAMPLE_ID, timeout_s=0.05)
    assert caught.value.video.progress == 0.3


EVENT = (
    'event: progress\nid: inferring-0.7\ndata: {"id":"x","status":"inferring","progress":0.7}\n\n'
)
FINAL = 'event: final\ndata: {"id":"x","status":"completed","progress":1.0}\n\n'


def events(*parts: str) -> httpx.Response:
    return httpx.Response(
        200, content="".join(parts).encode(), headers={"Content-Type": "text/event-stream"}
    )


def test_waiting_follows_the_events_of_the_server(make_client: MakeClient) -> None:
    seen: list[tuple[str, float]] = []
    server = AnsweringServer([QUEUED, events("retry: 1\n\n", ": hi\n\n", EVENT, FINAL), COMPLETED])
    with make_client(server) as client:
        video = client.wait(
            EXAMPLE_ID, on_progress=lambda video: seen.append((video.status, video.progress))
        )
    assert video.result is not None
    assert seen == [("queued", 0.0), ("inferring", 0.7), ("completed", 1.0)]
    assert [request.url.path.rpartition("/")[2] for request in server.requests] == [
        EXAMPLE_ID,
        "events",
        EXAMPLE_ID,
    ]


def test_waiting_goes_on_when_the_events_break_off(make_client: MakeClient) -> None:
    server = AnsweringServer([QUEUED, events(EVENT), RUNNING, CUT, RUNNING, COMPLETED])
    with make_client(server) as client:
        assert client.wait(EXAMPLE_ID).status == "completed"


def test_an_erased_video_ends_the_waiting(make_client: MakeClient) -> None:
    erased = events('event: erased\ndata: {"id":"x","status":null,"progress":null}\n\n')
    server = AnsweringServer([QUEUED, erased, refusal(VideoNotFound())])
    with make_client(server) as client, pytest.raises(NotFound):
        client.wait(EXAMPLE_ID)


def test_ids_cannot_lead_elsewhere(make_client: MakeClient) -> None:
    server = AnsweringServer([refusal(VideoNotFound())])
    with make_client(server) as client, pytest.raises(NotFound):
        client.get("../keys?x=1#y")
    assert server.requests[0].url.raw_path == b"/videos/..%2Fkeys%3Fx%3D1%23y"


@pytest.mark.parametrize("path", ["http://elsewhere.test/a", "//elsewhere.test/a", "a"])
def test_a_key_never_goes_to_another_host(
    make_client: MakeClient, tmp_path: Path, path: str
) -> None:
    server = AnsweringServer([COMPLETED])
    with make_client(server, api_key="secret") as client, pytest.raises(InvalidArgument):
        client.download(path, tmp_path / "picture")
    assert not server.requests


def test_a_download_appears_when_it_is_whole(make_client: MakeClient, tmp_path: Path) -> None:
    to = tmp_path / "face.jpg"
    server = AnsweringServer([CUT, httpx.Response(200, content=b"picture")])
    with make_client(server) as client:
        client.download("/videos/x/faces/0/thumbnail", to)
    assert to.read_bytes() == b"picture"
    assert list(tmp_path.iterdir()) == [to]


def test_a_failed_download_leaves_what_was_there(make_client: MakeClient, tmp_path: Path) -> None:
    to = tmp_path / "face.jpg"
    to.write_bytes(b"before")
    with make_client(AnsweringServer([problem(404)])) as client, pytest.raises(NotFound):
        client.download("/videos/x/faces/0/thumbnail", to)
    assert to.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [to]


class BrokenOff(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The first half of a body, then nothing."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"half"
        raise CUT

    async def __aiter__(self) -> Any:
        yield b"half"
        raise CUT


def test_a_download_that_broke_off_begins_again(make_client: MakeClient, tmp_path: Path) -> None:
    class Server(AnsweringServer):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            return httpx.Response(200, stream=BrokenOff()) if len(self.requests) == 1 else answer

    to = tmp_path / "face.jpg"
    with make_client(Server([httpx.Response(200, content=b"whole")])) as client:
        client.download("/videos/x/faces/0/thumbnail", to)
    assert to.read_bytes() == b"whole"


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "http://[::1"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidArgument):
        Client(url)


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_URL", "http://elsewhere.test/unmask")
    monkeypatch.setenv("UNMASK_API_KEY", "unmask_1_2")
    server = AnsweringServer([COMPLETED])
    with Client(transport=httpx.MockTransport(server)) as client:
        client.get(EXAMPLE_ID)
    [request] = server.requests
    assert str(request.url) == f"http://elsewhere.test/unmask/videos/{EXAMPLE_ID}"
    assert request.headers["authorization"] == "Bearer unmask_1_2"
    with Client(api_key="given", transport=httpx.MockTransport(server)) as client:
        client.get(EXAMPLE_ID)
    assert server.requests[1].headers["authorization"] == "Bearer given"
