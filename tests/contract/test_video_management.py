"""Listing, cancelling and erasing over HTTP: a gateway process, a real Valkey and S3 server."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway, settings_of
from real_services import SeaweedServer, ValkeyServer
from sample_documents import FAILURE, result_of

from unmask_shared.artifacts import result_key, source_key, video_prefix
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_shared.settings import JobSettings
from unmask_shared.stages import ReportProgress, StageEnd, StageRunner
from unmask_shared.videos import Status

VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 100
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


def submitted(client: httpx.Client, name: str = "clip.mp4") -> str:
    answer = client.post("/videos", files={"file": (name, VIDEO, "video/mp4")})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def listed(client: httpx.Client, **query: Any) -> list[str]:
    answer = client.get("/videos", params=query)
    assert answer.status_code == 200, answer.text
    return [video["id"] for video in answer.json()["videos"]]


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


# --- listing ---------------------------------------------------------------------------------


def test_a_list_shows_videos_in_short_newest_first(
    client: httpx.Client, job_store: RedisJobStore
) -> None:
    first, second = submitted(client, "first.mp4"), submitted(client, "second.mp4")
    job_store.complete(first, result_of(first))
    answer = client.get("/videos")
    assert answer.headers["cache-control"] == "no-store"
    page = answer.json()
    assert [video["id"] for video in page["videos"]] == [second, first]
    assert page["next_cursor"] is None
    whole = client.get(f"/videos/{first}").json()
    assert page["videos"][1] == {
        "id": first,
        "status": "completed",
        "progress": 1.0,
        "created_at": whole["created_at"],
        "filename": "first.mp4",
        "bytes": len(VIDEO),
        "verdict": "inconclusive",
        "fake_probability": None,
        "model": {"name": "resnet-lstm", "version": "1"},
    }


def test_cursors_lead_through_all_pages(client: httpx.Client) -> None:
    ids = [submitted(client, f"{number}.mp4") for number in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = client.get("/videos", params=query).json()
        found += [video["id"] for video in page["videos"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == ids[::-1]


def test_filters_can_be_combined(client: httpx.Client, job_store: RedisJobStore) -> None:
    failed, cancelled, waiting = (submitted(client, name) for name in ("a.mp4", "b.mp4", "C.mp4"))
    job_store.fail(failed, FAILURE)
    job_store.cancel(cancelled)
    assert listed(client, status="failed") == [failed]
    assert listed(client, status=["failed", "cancelled"]) == [cancelled, failed]
    assert listed(client, filename="c.MP4", status="queued") == [waiting]
    assert listed(client, verdict="fake") == []
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert listed(client, created_after=(now - hour).isoformat(), limit=1) == [waiting]
    assert listed(client, created_before=(now - hour).isoformat()) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": 0}, "invalid_request"),
        ({"limit": 101}, "invalid_request"),
        ({"status": "done"}, "invalid_request"),
        ({"verdict": "yes"}, "invalid_request"),
        ({"created_after": "2026-05-04T09:30:00"}, "invalid_request"),
        ({"stauts": "failed"}, "invalid_request"),
        ({"cursor": "abc"}, "invalid_cursor"),
        ({"cursor": "\u00e4"}, "invalid_cursor"),
        ({"cursor": "KioqKg"}, "invalid_cursor"),
        ({"cursor": "x" * 129}, "invalid_request"),
    ],
)
def test_questions_that_make_no_sense_are_refused(
    client: httpx.Client, query: dict[str, Any], code: str
) -> None:
    assert problem_of(client.get("/videos", params=query)) == (422, code)


def test_a_list_says_while_it_is_built_anew(client: httpx.Client, valkey: ValkeyServer) -> None:
    video_id = submitted(client)
    valkey.flush()
    assert client.get("/videos").json() == {"videos": [], "next_cursor": None, "complete": False}
    for _ in range(200):
        page = client.get("/videos").json()
        if page["complete"]:
            break
        threading.Event().wait(0.1)
    assert [video["id"] for video in page["videos"]] == [video_id]


def test_without_redis_there_are_no_lists(client: httpx.Client, valkey: ValkeyServer) -> None:
    with valkey.stopped():
        assert problem_of(client.get("/videos")) == (503, "job_store_unavailable")


# --- cancelling ------------------------------------------------------------------------------


def test_a_video_is_cancelled_once_and_for_all(client: httpx.Client, valkey: ValkeyServer) -> None:
    video_id = submitted(client)
    for _ in range(2):
        answer = client.post(f"/videos/{video_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    valkey.flush()
    polled = client.get(f"/videos/{video_id}")
    assert polled.json()["status"] == "cancelled"
    assert "retry-after" not in polled.headers
    with valkey.stopped():
        assert client.get(f"/videos/{video_id}").json()["status"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(client: httpx.Client, job_store: RedisJobStore) -> None:
    video_id = submitted(client)
    job_store.fail(video_id, FAILURE)
    answer = client.post(f"/videos/{video_id}/cancel")
    assert problem_of(answer) == (409, "video_already_ended")
    assert "failed" in answer.json()["detail"]


# --- erasing ---------------------------------------------------------------------------------


def test_an_erased_video_is_gone_everywhere(client: httpx.Client, s3_store: ObjectStore) -> None:
    video_id = submitted(client)
    path = f"/videos/{video_id}"
    answer = client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert list(s3_store.keys(video_prefix(video_id))) == []
    for again in (client.delete(path), client.get(path), client.post(f"{path}/cancel")):
        assert problem_of(again) == (404, "video_not_found")
    assert listed(client) == []


def test_a_worker_at_an_erased_video_stops_and_leaves_nothing(
    client: httpx.Client,
    s3_store: ObjectStore,
    job_store: RedisJobStore,
    job_settings: JobSettings,
) -> None:
    video_id = submitted(client)
    began, erased = threading.Event(), threading.Event()
    ends: list[StageEnd] = []

    def work(report: ReportProgress) -> None:
        began.set()
        assert erased.wait(20)
        write_document(s3_store, result_key(video_id), result_of(video_id))
        report(0.5)
        raise AssertionError("it went on")

    runner = StageRunner(
        store=s3_store,
        jobs=job_store,
        settings=job_settings,
        stage=Status.INFERRING,
        progress_from=0.5,
        progress_to=1,
    )
    worker = threading.Thread(
        target=lambda: ends.append(runner.run(video_id, work, started_mark="inferring"))
    )
    worker.start()
    assert began.wait(20)
    assert client.delete(f"/videos/{video_id}").status_code == 204
    erased.set()
    worker.join()
    assert ends == [StageEnd.STOP]
    assert list(s3_store.keys(video_prefix(video_id))) == []
    assert problem_of(client.get(f"/videos/{video_id}")) == (404, "video_not_found")


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/cancel")])
def test_unknown_and_malformed_ids_are_told_apart(
    client: httpx.Client, method: str, path: str
) -> None:
    unknown = client.request(method, f"/videos/{UNKNOWN_ID}{path}")
    assert problem_of(unknown) == (404, "video_not_found")
    malformed = client.request(method, f"/videos/1{path}")
    assert problem_of(malformed) == (422, "malformed_video_id")


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/cancel")])
def test_without_redis_nothing_is_ended(
    client: httpx.Client, s3_store: ObjectStore, valkey: ValkeyServer, method: str, path: str
) -> None:
    video_id = submitted(client)
    with valkey.stopped():
        answer = client.request(method, f"/videos/{video_id}{path}")
        assert problem_of(answer) == (503, "job_store_unavailable")
    assert s3_store.exists(source_key(video_id))
    assert client.request(method, f"/videos/{video_id}{path}").status_code in {200, 204}
