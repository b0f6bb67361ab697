"""Accepted videos that nobody works on are found and queued again. Real Valkey, real folder."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from pydantic import BaseModel, SecretStr
from real_services import ValkeyServer, free_ports
from sample_documents import FAILURE, record_of, result_of

from unmask_shared.artifacts import failure_key, record_key, result_key, source_key
from unmask_shared.broker import make_celery, queued_videos
from unmask_shared.cancellation import cancel_video
from unmask_shared.erasure import erase_video
from unmask_shared.errors import BrokerUnavailable, DependencyUnavailable, ObjectStoreUnavailable
from unmask_shared.job_store import RedisJobStore, Wanted, make_job_store
from unmask_shared.messages import INFERENCE_QUEUE, PREPROCESSOR_QUEUE
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import write_document
from unmask_shared.settings import JobSettings
from unmask_shared.sweeper import CATALOGUE_COMPLETE, Sweeper, enqueue
from unmask_shared.videos import Status


@contextmanager
def celery_for(settings: JobSettings) -> Iterator[Celery]:
    app = make_celery(settings)
    try:
        yield app
    finally:
        app.close()


@contextmanager
def taken_message(celery: Celery) -> Iterator[Any]:
    """A message that a worker took and has not acknowledged."""
    with celery.connection_for_read() as connection:
        channel: Any = connection.default_channel
        message = channel.basic_get(PREPROCESSOR_QUEUE)
        assert message is not None
        yield message


@pytest.fixture
def celery(job_settings: JobSettings) -> Iterator[Celery]:
    with celery_for(job_settings) as app:
        yield app


class System:
    """Everything but the workers."""

    def __init__(
        self,
        store: LocalObjectStore,
        jobs: RedisJobStore,
        celery: Celery,
        settings: JobSettings,
    ) -> None:
        self.store = store
        self.jobs = jobs
        self.celery = celery
        self.settings = settings
        self.sweeper = self.another_sweeper()

    def another_sweeper(self, **settings: Any) -> Sweeper:
        return Sweeper(
            store=self.store,
            jobs=self.jobs,
            celery=self.celery,
            settings=self.settings,
            **settings,
        )

    def record(self, video_id: str, *, outcome: BaseModel | None = None) -> None:
        """Leave in the store what the gateway and the workers would."""
        write_document(self.store, record_key(video_id), record_of(video_id))
        if outcome is not None:
            key = failure_key if outcome == FAILURE else result_key
            write_document(self.store, key(video_id), outcome)

    def accept(self, *video_ids: str) -> None:
        for video_id in video_ids:
            self.record(video_id)
            self.jobs.accept(record_of(video_id))

    def let_a_lease_pass(self) -> None:
        time.sleep(self.settings.lease_ttl_s + 0.05)

    def let_two_deliveries_pass(self) -> None:
        time.sleep(2 * self.settings.visibility_timeout_s + 0.05)

    @property
    def queued(self) -> int:
        return self.jobs.queue_length(PREPROCESSOR_QUEUE)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not _holds(condition):
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)

    @contextmanager
    def sweeping(self, *sweepers: Sweeper) -> Iterator[None]:
        stop = threading.Event()
        threads = [
            threading.Thread(target=sweeper.run, args=(stop,), kwargs={"pause_s": 0.1})
            for sweeper in sweepers or (self.sweeper,)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
            assert all(thread.is_alive() for thread in threads)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except DependencyUnavailable:
        return False


@pytest.fixture
def system(
    local_store: LocalObjectStore,
    job_store: RedisJobStore,
    celery: Celery,
    job_settings: JobSettings,
) -> System:
    return System(local_store, job_store, celery, job_settings)


# --- what is lost ----------------------------------------------------------------------------


def test_a_video_that_was_accepted_but_never_queued_is_queued_once(system: System) -> None:
    system.accept("a")
    assert system.sweeper.sweep_views() == []  # its gateway may be about to
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == ["a"]
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == []
    assert system.queued == 1


def test_the_video_of_a_dead_worker_is_queued_when_its_lease_ends(system: System) -> None:
    system.accept("a")
    enqueue(system.celery, system.jobs, "a")
    with taken_message(system.celery):
        # Taken, noted, and then the worker dies: the message is back after the visibility timeout
        # only, and perhaps never, if a copy of it was dropped already.
        assert system.jobs.acquire_lease("a", "dead", 1.5)
        system.jobs.set_waiting("a", waiting=False)
        system.jobs.advance("a", Status.PREPROCESSING, 0.1)
        system.let_a_lease_pass()
        assert system.sweeper.sweep_views() == []
        system.let_a_lease_pass()
        assert system.sweeper.sweep_views() == ["a"]


def test_everything_unfinished_is_queued_after_redis_lost_it_all(
    system: System, valkey: ValkeyServer
) -> None:
    system.accept("a", "b")
    system.jobs.advance("b", Status.INFERRING, 0.6)
    system.record("c", outcome=result_of("c"))
    system.record("d", outcome=FAILURE)
    valkey.flush()
    assert system.sweeper.sweep_store() == ["a", "b"]
    assert system.queued == 2
    statuses = {name: state.status for name in "abcd" if (state := system.jobs.get(name))}
    assert statuses == {
        "a": Status.QUEUED,
        "b": Status.QUEUED,
        "c": Status.COMPLETED,
        "d": Status.FAILED,
    }
    assert system.sweeper.sweep_store() == []
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == []


def test_a_view_without_its_record_is_filled_in_and_queued(
    system: System, valkey: ValkeyServer
) -> None:
    system.accept("a")
    valkey.flush()
    system.jobs.advance("a", Status.INFERRING, 0.7)  # by a worker, which then died
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == ["a"]
    state = system.jobs.get("a")
    assert state is not None
    assert (state.status, state.record) == (Status.INFERRING, record_of("a"))


def test_a_message_that_vanished_is_missed_even_while_others_wait(
    system: System, redis_url: str
) -> None:
    system.accept("a", "b")
    enqueue(system.celery, system.jobs, "a")
    with redis.Redis.from_url(redis_url) as client:
        client.delete(PREPROCESSOR_QUEUE)
    enqueue(system.celery, system.jobs, "b")
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == []  # a worker may just have taken it
    system.let_two_deliveries_pass()
    assert system.sweeper.sweep_views() == ["a"]
    assert system.sweeper.sweep_views() == []
    assert system.queued == 2


# --- what is not lost ------------------------------------------------------------------------


def test_a_video_whose_message_waits_is_never_queued_again(system: System) -> None:
    system.accept("a", "b")
    enqueue(system.celery, system.jobs, "a")
    enqueue(system.celery, system.jobs, "b")
    system.jobs.advance("b", Status.PREPROCESSING, 0.5)
    with taken_message(system.celery):  # one of the two, by a worker that is still busy
        system.let_two_deliveries_pass()
        assert system.sweeper.sweep_views() == []


def test_a_video_that_somebody_works_on_is_never_queued_again(
    system: System, valkey: ValkeyServer
) -> None:
    system.accept("a")
    system.jobs.acquire_lease("a", "alive", 30)
    system.let_two_deliveries_pass()
    assert system.sweeper.sweep_views() == []
    valkey.flush()
    system.jobs.acquire_lease("a", "alive", 30)
    assert system.sweeper.sweep_store() == []
    assert system.queued == 0


def test_finished_videos_are_never_queued_again(system: System) -> None:
    system.accept("a", "b")
    system.jobs.complete("a", result_of("a"))
    system.jobs.fail("b", FAILURE)
    system.record("c", outcome=result_of("c"))
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == []
    assert system.sweeper.sweep_store() == []
    assert system.queued == 0


def test_an_outcome_that_redis_does_not_know_is_shown_instead_of_worked_out_again(
    system: System, valkey: ValkeyServer
) -> None:
    system.record("a", outcome=result_of("a"))
    system.jobs.advance("a", Status.INFERRING, 0.9)
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == []
    state = system.jobs.get("a")
    assert state is not None
    assert state.result == result_of("a")


def test_a_video_that_was_erased_is_forgotten(system: System) -> None:
    system.jobs.advance("a", Status.INFERRING, 0.9)  # by a worker that did not know
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == []
    assert system.jobs.active(idle_s=0) == []


def test_a_record_that_cannot_be_read_hides_no_other_video(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    for video_id in ("a", "b", "c"):
        system.record(video_id)
    system.store.put(record_key("b"), b"{}", content_type="application/json")
    assert system.sweeper.sweep_store() == ["a", "c"]
    assert "videos/b/record.json is no valid VideoRecord" in caplog.text


def test_a_cancelled_video_is_never_queued_again(system: System, valkey: ValkeyServer) -> None:
    system.accept("a")
    cancel_video(system.store, system.jobs, "a")
    system.let_a_lease_pass()
    assert system.sweeper.sweep_views() == []
    valkey.flush()
    assert system.sweeper.sweep_store() == []
    assert system.queued == 0


def test_an_erased_video_is_never_brought_back(system: System, valkey: ValkeyServer) -> None:
    system.accept("a")
    erase_video(system.store, system.jobs, "a")
    for forgotten in (False, True):
        if forgotten:
            valkey.flush()
        system.let_a_lease_pass()
        assert system.sweeper.sweep_store() == system.sweeper.sweep_views() == []
        assert system.jobs.get("a") is None
    assert system.queued == 0


def test_what_a_dead_worker_wrote_after_the_video_was_erased_is_erased_in_time(
    system: System,
) -> None:
    system.accept("b")
    for key in (result_key("a"), source_key("a")):
        system.store.put(key, b"{}", content_type="application/json")
    patient = system.sweeper
    hasty = system.another_sweeper(remains_patience_s=0.1)
    for sweeper in (patient, hasty):
        sweeper.sweep_store()
        assert system.store.exists(result_key("a"))  # perhaps an upload that gets its record now
    time.sleep(0.15)
    assert system.jobs.acquire_lease("a", "alive", 30)
    hasty.sweep_store()
    assert system.store.exists(result_key("a"))
    system.jobs.release_lease("a", "alive")
    for sweeper in (patient, hasty):
        sweeper.sweep_store()
        assert system.store.exists(result_key("a")) == (sweeper is patient)
    assert list(system.store.keys("videos/")) == [record_key("b")]


def test_an_upload_that_gets_its_record_late_is_kept(system: System) -> None:
    system.store.put(source_key("a"), b"video", content_type="video/mp4")
    hasty = system.another_sweeper(remains_patience_s=0.1)
    hasty.sweep_store()
    time.sleep(0.15)
    system.record("a")
    hasty.sweep_store()
    assert system.store.exists(source_key("a"))


# --- lists and retention -----------------------------------------------------------------------


def listed(system: System) -> list[str]:
    return [video.id for video in system.jobs.catalogue.page(Wanted(), limit=100).videos]


def test_lists_are_complete_again_after_redis_lost_them(
    system: System, valkey: ValkeyServer
) -> None:
    system.accept("a")
    system.record("b", outcome=result_of("b"))
    system.record("c", outcome=FAILURE)
    valkey.flush()
    assert not system.jobs.is_done(CATALOGUE_COMPLETE)
    system.sweeper.sweep_store()
    assert listed(system) == ["c", "b", "a"]
    assert system.jobs.is_done(CATALOGUE_COMPLETE)


def test_views_that_expired_are_not_made_again_for_the_lists(
    system: System, redis_url: str
) -> None:
    system.record("a", outcome=result_of("a"))
    system.sweeper.sweep_store()
    with redis.Redis.from_url(redis_url) as client:
        assert client.delete("unmask:video:a")
    system.sweeper.sweep_store()
    assert system.jobs.get("a") is None
    assert listed(system) == ["a"]


def test_videos_from_before_there_were_lists_are_listed(system: System, redis_url: str) -> None:
    system.accept("a", "b")
    system.jobs.set_waiting("a", waiting=True)
    with redis.Redis.from_url(redis_url) as client:
        assert client.delete("unmask:catalogue", "unmask:summary:a", "unmask:summary:b") == 3
    assert system.sweeper.sweep_store() == ["b"]
    assert listed(system) == ["b", "a"]


def test_videos_are_erased_when_they_were_kept_long_enough(
    system: System, valkey: ValkeyServer
) -> None:
    now = datetime.now(UTC)
    for video_id, age_days in (("old", 8), ("older", 300), ("new", 6)):
        record = record_of(video_id, created_at=now - timedelta(days=age_days))
        write_document(system.store, record_key(video_id), record)
    system.store.put(result_key("old"), b"no result", content_type="application/json")
    system.jobs.accept(record_of("ghost", created_at=now - timedelta(days=9)))
    weekly = system.another_sweeper(retention=timedelta(days=7))
    system.sweeper.sweep_store()
    assert len(list(system.store.keys("videos/"))) == 4  # nothing is erased unless told
    weekly.sweep_store()
    assert list(system.store.keys("videos/")) == [record_key("new")]
    assert listed(system) == ["new"]
    valkey.flush()
    weekly.sweep_store()
    assert listed(system) == ["new"]


# --- running ---------------------------------------------------------------------------------


def test_sweeping_waits_for_redis_and_goes_on(system: System, valkey: ValkeyServer) -> None:
    system.accept("a")
    with system.sweeping():
        with valkey.stopped():
            system.let_a_lease_pass()
        system.wait_for(lambda: system.queued == 1)


def test_sweeping_waits_for_the_store_and_goes_on(
    system: System, tmp_path: Path, valkey: ValkeyServer
) -> None:
    system.record("a")
    (tmp_path / "store").rename(tmp_path / "unmounted")
    with system.sweeping():
        time.sleep(0.3)
        assert system.queued == 0
        (tmp_path / "unmounted").rename(tmp_path / "store")
        system.wait_for(lambda: system.queued == 1)


def test_a_redis_that_comes_back_empty_is_noticed_at_once(
    system: System, valkey: ValkeyServer
) -> None:
    system.accept("a")
    enqueue(system.celery, system.jobs, "a")
    with system.sweeping():
        time.sleep(0.3)
        assert system.queued == 1
        valkey.flush()  # between two looks, so that nobody meets an error
        system.wait_for(lambda: system.queued == 1)
        time.sleep(0.3)
        assert system.queued == 1


def test_of_several_sweepers_one_acts(system: System) -> None:
    for number in range(20):
        system.record(str(number))
    with system.sweeping(system.sweeper, *(system.another_sweeper() for _ in range(3))):
        system.wait_for(lambda: system.queued >= 20)
        time.sleep(0.5)
    assert system.queued == 20


# --- the broker ------------------------------------------------------------------------------


def test_a_worker_that_is_faster_than_the_sender_is_not_taken_for_waiting(system: System) -> None:
    system.accept("a")
    system.jobs.acquire_lease("a", "fast", 30)
    enqueue(system.celery, system.jobs, "a")
    state = system.jobs.get("a")
    assert state is not None
    assert not state.waiting


def test_the_broker_tells_the_videos_of_all_its_messages(system: System) -> None:
    assert queued_videos(system.celery) == set()
    for video_id in ("a", "b", "c"):
        enqueue(system.celery, system.jobs, video_id)
    system.celery.send_task("inference.classify_faces", kwargs={"video_id": "d"})
    assert system.jobs.queue_length(INFERENCE_QUEUE) == 1
    with taken_message(system.celery) as message:
        assert queued_videos(system.celery) == {"a", "b", "c", "d"}
        message.ack()
        assert len(queued_videos(system.celery)) == 3


@pytest.mark.parametrize("text", ["no JSON", "[]", "[1]", "{}", '{"body": 1}', "null", "\xff"])
def test_a_message_of_somebody_else_keeps_no_sweep_from_its_work(
    system: System, redis_url: str, text: str
) -> None:
    enqueue(system.celery, system.jobs, "a")
    with redis.Redis.from_url(redis_url) as client:
        client.rpush(INFERENCE_QUEUE, text)
    assert queued_videos(system.celery) == {"a"}


def test_a_broker_that_is_down_is_reported_in_seconds() -> None:
    [port] = free_ports(1)
    settings = JobSettings(redis_url=SecretStr(f"redis://127.0.0.1:{port}/0"))
    with celery_for(settings) as celery, closing(make_job_store(settings)) as jobs:
        started_at = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            sending = pool.submit(enqueue, celery, jobs, "a")
            looking = pool.submit(queued_videos, celery)
        assert type(sending.exception()) is type(looking.exception()) is BrokerUnavailable
        assert time.monotonic() - started_at < 8


def test_sweeping_by_hand_reports_a_store_that_is_away(system: System, tmp_path: Path) -> None:
    (tmp_path / "store").rename(tmp_path / "unmounted")
    with pytest.raises(ObjectStoreUnavailable):
        system.sweeper.sweep_store()
