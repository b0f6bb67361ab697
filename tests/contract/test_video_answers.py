"""Answers that are kept say what is true now: after progress, an end, an erasure, a lost Redis."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from pydantic import SecretStr
from real_services import ValkeyServer
from sample_documents import FAILURE, record_of, result_of

from unmask_gateway import video_answers
from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.keys import Scope
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.video_answers import VideoAnswers
from unmask_shared.artifacts import failure_key, record_key, result_key
from unmask_shared.errors import VideoNotFound
from unmask_shared.job_store import MARK_PREPROCESSING, RedisJobStore, make_job_store
from unmask_shared.job_store.revisions import make_revisions
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import write_document
from unmask_shared.settings import JobSettings
from unmask_shared.videos import Status

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER_ID = "01890a5d-ac96-774b-bcce-b302099a8058"


@pytest.fixture
def gateway(tmp_path: Path, redis_url: str) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path, redis_url=redis_url) as process:
        yield process


@pytest.fixture
def other_gateway(
    tmp_path_factory: pytest.TempPathFactory, gateway: GatewayProcess, redis_url: str
) -> Iterator[GatewayProcess]:
    """Another one before the same stores."""
    folder = tmp_path_factory.mktemp("other")
    with running_gateway(folder, redis_url=redis_url, data_dir=gateway.data_dir) as process:
        yield process


@pytest.fixture
def store(gateway: GatewayProcess) -> LocalObjectStore:
    return LocalObjectStore(gateway.data_dir / "store")


@pytest.fixture
def jobs(redis_url: str) -> RedisJobStore:
    return make_job_store(JobSettings(redis_url=SecretStr(redis_url)))


def accept(
    store: LocalObjectStore, jobs: RedisJobStore, video_id: str = ID, owner: str | None = None
) -> None:
    record = record_of(video_id, owner=owner)
    write_document(store, record_key(video_id), record)
    jobs.accept(record)


def complete(store: LocalObjectStore, jobs: RedisJobStore) -> None:
    write_document(store, result_key(ID), result_of(ID))
    jobs.complete(ID, result_of(ID))


def ask(gateway: GatewayProcess, video_id: str = ID, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(f"{gateway.url}/videos/{video_id}", headers=headers, trust_env=False)


def ask_twice(gateway: GatewayProcess) -> httpx.Response:
    """The second time from what was kept, in the same words."""
    first, second = ask(gateway), ask(gateway)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    for name in set(first.headers) - {"date"}:
        assert first.headers[name] == second.headers[name]
    assert set(first.headers) == set(second.headers)
    return second


def test_every_step_of_a_video_is_seen(
    gateway: GatewayProcess, store: LocalObjectStore, jobs: RedisJobStore
) -> None:
    accept(store, jobs)
    queued = ask_twice(gateway)
    assert queued.json()["status"] == "queued"
    assert (queued.headers["Retry-After"], queued.headers["Cache-Control"]) == ("1", "no-store")
    assert "Content-Security-Policy" in queued.headers
    jobs.advance(ID, Status.PREPROCESSING, 0.1, mark=MARK_PREPROCESSING)
    assert ask_twice(gateway).json()["progress"] == 0.1
    jobs.advance(ID, Status.PREPROCESSING, 0.2)
    assert ask_twice(gateway).json()["progress"] == 0.2
    complete(store, jobs)
    completed = ask_twice(gateway)
    assert completed.json()["result"]["reason"] == "no_face_found"
    assert "Retry-After" not in completed.headers


def test_a_failure_and_a_cancellation_are_seen_by_every_gateway(
    gateway: GatewayProcess,
    other_gateway: GatewayProcess,
    store: LocalObjectStore,
    jobs: RedisJobStore,
) -> None:
    accept(store, jobs)
    accept(store, jobs, OTHER_ID)
    for one in (gateway, other_gateway):
        assert {ask(one, ID).json()["status"], ask(one, OTHER_ID).json()["status"]} == {"queued"}
    write_document(store, failure_key(ID), FAILURE)
    jobs.fail(ID, FAILURE)
    cancelled = httpx.post(f"{gateway.url}/videos/{OTHER_ID}/cancel", trust_env=False)
    assert cancelled.status_code == 200
    for one in (gateway, other_gateway):
        assert ask(one, ID).json()["failure"]["code"] == FAILURE.code
        assert ask(one, OTHER_ID).json()["status"] == "cancelled"


def test_an_erased_video_is_gone_from_every_gateway_at_once(
    gateway: GatewayProcess,
    other_gateway: GatewayProcess,
    store: LocalObjectStore,
    jobs: RedisJobStore,
) -> None:
    accept(store, jobs)
    complete(store, jobs)
    for one in (gateway, other_gateway):
        assert ask_twice(one).json()["status"] == "completed"
    erased = httpx.delete(f"{other_gateway.url}/videos/{ID}", trust_env=False)
    assert erased.status_code == 204
    for one in (gateway, other_gateway):
        assert ask_twice(one).status_code == 404


def test_a_second_analysis_has_an_answer_of_its_own(
    gateway: GatewayProcess, store: LocalObjectStore, jobs: RedisJobStore
) -> None:
    accept(store, jobs)
    store.put("videos/" + ID + "/source", b"a video", content_type="video/mp4")
    complete(store, jobs)
    before = ask_twice(gateway)
    again = httpx.post(f"{gateway.url}/videos/{ID}/analyses", json={}, trust_env=False)
    assert again.status_code == 202, again.text
    new = ask(gateway, again.json()["id"]).json()
    assert (new["status"], new["analysis_of"], new["result"]) == ("queued", ID, None)
    assert ask(gateway).content == before.content


def test_what_is_kept_outlives_redis_and_a_redis_that_lost_everything(
    gateway: GatewayProcess, store: LocalObjectStore, jobs: RedisJobStore, valkey: ValkeyServer
) -> None:
    accept(store, jobs)
    complete(store, jobs)
    before = ask_twice(gateway).json()
    with valkey.stopped():
        assert ask(gateway).json() == before
    assert ask_twice(gateway).json() == before
    valkey.flush()
    assert ask_twice(gateway).json() == before
    valkey.flush()
    store.delete_prefix(f"videos/{ID}/")
    assert ask(gateway).status_code == 404


def test_answers_are_kept_from_those_who_may_not_see_the_video(
    tmp_path: Path, redis_url: str, jobs: RedisJobStore
) -> None:
    with running_gateway(tmp_path, redis_url=redis_url, access="keys") as process:
        store = LocalObjectStore(process.data_dir / "store")
        keys = KeyStore(store)
        (owner, owners_key), (_, others_key) = (
            keys.create(name, frozenset({Scope.READ})) for name in ("owner", "other")
        )
        accept(store, jobs, owner=owner.id)
        complete(store, jobs)
        answers = [ask(process, key=key) for key in (owners_key, owners_key, others_key, None)]
        assert [answer.status_code for answer in answers] == [200, 200, 404, 401]
        assert answers[0].content == answers[1].content


def test_memory_for_answers_is_bounded(
    tmp_path: Path, jobs: RedisJobStore, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalObjectStore(tmp_path)
    monkeypatch.setattr(video_answers, "_MOST_BYTES", 2000)
    ids = [ID[:-1] + str(number) for number in range(5)]
    for video_id in ids:
        accept(store, jobs, video_id)

    async def ask_all() -> list[bool]:
        revisions = make_revisions(JobSettings(redis_url=SecretStr(redis_url)))
        answers = VideoAnswers(lookup=VideoLookup(store=store, jobs=jobs), revisions=revisions)
        for video_id in ids:
            assert 500 < len((await answers.about(video_id)).body) < 1000
        kept = [await answers.kept(video_id) is not None for video_id in ids]
        # Asked for together, they share a question.
        assert await asyncio.gather(*map(answers.kept, ids)) == [
            await answers.kept(video_id) for video_id in ids
        ]
        jobs.erase(ids[-1])
        store.delete_prefix(f"videos/{ids[-1]}/")
        with pytest.raises(VideoNotFound):
            await answers.about(ids[-1])
        await revisions.close()
        return kept

    kept = asyncio.run(ask_all())
    assert kept[-2:] == [True, True]
    assert kept[:2] == [False, False]
