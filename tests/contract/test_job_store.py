"""What the job store promises, against a real server."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from real_services import ValkeyServer, free_ports
from sample_documents import FAILURE, record_of, result_of

from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.job_store import (
    MARK_ACCEPTED,
    MARK_PREPROCESSED,
    MARK_PREPROCESSING,
    JobState,
    RedisJobStore,
    Room,
    Want,
    make_job_store,
)
from unmask_shared.settings import JobSettings
from unmask_shared.videos import Status

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
STAGES = (Status.QUEUED, Status.PREPROCESSING, Status.INFERRING)
RANK = {status: rank for rank, status in enumerate(Status)}

RECORD = record_of(ID)
RESULT = result_of(ID)

Connect = Callable[[str], RedisJobStore]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes job stores for a URL."""
    with ExitStack() as made:
        yield lambda url: made.enter_context(
            closing(make_job_store(JobSettings(redis_url=SecretStr(url))))
        )


def view(jobs: RedisJobStore, video_id: str = ID) -> JobState:
    state = jobs.get(video_id)
    assert state is not None
    return state


# --- views -----------------------------------------------------------------------------------


def test_an_accepted_video_is_queued_with_nothing_in_the_broker(job_store: RedisJobStore) -> None:
    assert job_store.get(ID) is None
    job_store.accept(RECORD)
    assert view(job_store) == JobState(
        record=RECORD,
        status=Status.QUEUED,
        progress=0,
        marks={MARK_ACCEPTED: RECORD.created_at.timestamp()},
        waiting=False,
    )
    assert job_store.active(idle_s=0) == [ID]


def test_accepting_again_changes_nothing(job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    job_store.set_waiting(ID, waiting=True)
    job_store.advance(ID, Status.INFERRING, 0.6)
    before = view(job_store)
    job_store.accept(RECORD)
    assert view(job_store) == before


@pytest.mark.parametrize("end", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_accepting_does_not_open_a_closed_view(job_store: RedisJobStore, end: Status) -> None:
    close(job_store, end)
    job_store.accept(RECORD)
    state = view(job_store)
    assert (state.status, state.record) == (end, RECORD)
    assert job_store.active(idle_s=0) == []


def test_accepting_fills_in_a_view_that_a_worker_began(job_store: RedisJobStore) -> None:
    job_store.count_attempt(ID, Status.INFERRING)
    job_store.advance(ID, Status.INFERRING, 0.7, mark="inferring")
    assert job_store.get(ID) is None  # without a record there is nothing to show
    assert job_store.active(idle_s=0) == [ID]
    job_store.accept(RECORD)
    state = view(job_store)
    assert (state.record, state.status, state.progress) == (RECORD, Status.INFERRING, 0.7)
    assert state.marks.keys() == {"accepted", "inferring"}


def test_a_view_is_whole_while_it_is_being_made(job_store: RedisJobStore) -> None:
    made = threading.Event()
    seen = set()

    def watch() -> None:
        while not made.is_set():
            state = job_store.get(ID)
            seen.add(state and state.status)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        for _ in range(100):
            job_store.accept(RECORD)
            job_store.forget(ID)
        made.set()
    watching.result()
    assert seen <= {None, Status.QUEUED}


def test_marks_note_when_things_happened(job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    before = time.time()
    job_store.advance(ID, Status.PREPROCESSING, 0.1, mark=MARK_PREPROCESSING)
    job_store.advance(ID, Status.PREPROCESSING, 0.5, mark=MARK_PREPROCESSED)
    marks = view(job_store).marks
    assert before - 0.1 <= marks[MARK_PREPROCESSING] <= marks[MARK_PREPROCESSED]
    assert marks[MARK_PREPROCESSED] <= time.time() + 0.1


def test_an_outcome_can_be_read_back(job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    assert job_store.complete(ID, RESULT)
    state = view(job_store)
    assert (state.status, state.progress, state.result) == (Status.COMPLETED, 1.0, RESULT)
    assert job_store.active(idle_s=0) == []


def test_what_decoding_found_is_told_while_a_view_is_open(job_store: RedisJobStore) -> None:
    job_store.note_info(ID, RESULT.video)
    assert job_store.get(ID) is None
    job_store.accept(RECORD)
    assert view(job_store).info is None
    job_store.note_info(ID, RESULT.video)
    assert view(job_store).info == RESULT.video
    assert not job_store.is_final(ID)
    job_store.cancel(ID)
    assert job_store.is_final(ID)
    job_store.erase(ID)
    assert not job_store.is_final(ID)
    job_store.note_info(ID, RESULT.video)
    assert job_store.get(ID) is None


# --- room ------------------------------------------------------------------------------------


def test_of_many_that_ask_at_once_as_many_get_room_as_there_is(
    job_store: RedisJobStore, connect: Connect, redis_url: str
) -> None:
    stores = [connect(redis_url) for _ in range(8)]
    together = threading.Barrier(8)

    def reserve(number: int) -> list[Want]:
        together.wait()
        return [
            stores[number]
            .rooms.reserve("a", f"{number}-{turn}", size=10, most_bytes=95, most_unfinished=0)
            .wanting
            for turn in range(3)
        ]

    with ThreadPoolExecutor(8) as pool:
        got = [want for wants in pool.map(reserve, range(8)) for want in wants]
    assert got.count(Want.NOTHING) == 9
    assert set(got) == {Want.NOTHING, Want.BYTES}


def test_room_is_reserved_once_for_a_video_and_ends_with_it(job_store: RedisJobStore) -> None:
    rooms = job_store.rooms

    def reserve(video_id: str, size: int) -> Room:
        return rooms.reserve("a", video_id, size=size, most_bytes=100, most_unfinished=2)

    assert reserve(ID, 40).wanting is Want.NOTHING
    assert reserve(ID, 100).wanting is Want.NOTHING  # in the place of the 40
    assert reserve("b", 1) == Room(wanting=Want.BYTES, stored_bytes=100, unfinished=1)
    assert rooms.reserve("other", "b", size=100, most_bytes=100, most_unfinished=1).unfinished == 0
    job_store.accept(record_of(ID, owner="a"))  # which has one byte
    assert reserve("b", 98) == Room(wanting=Want.NOTHING, stored_bytes=1, unfinished=1)
    assert reserve("c", 1).wanting is Want.UNFINISHED
    rooms.release("a", "b")
    assert reserve("c", 1).wanting is Want.NOTHING
    job_store.fail(ID, FAILURE)
    assert reserve("d", 1) == Room(wanting=Want.NOTHING, stored_bytes=2, unfinished=1)


def test_a_failure_keeps_the_progress_that_was_made(job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    job_store.advance(ID, Status.PREPROCESSING, 0.3)
    assert job_store.fail(ID, FAILURE)
    state = view(job_store)
    assert (state.status, state.progress, state.failure) == (Status.FAILED, 0.3, FAILURE)


def test_a_closed_view_expires_but_an_open_one_never(
    job_store: RedisJobStore, redis_url: str
) -> None:
    job_store.accept(RECORD)
    job_store.advance(ID, Status.INFERRING, 0.9)
    with redis.Redis.from_url(redis_url) as client:
        assert client.ttl(f"unmask:video:{ID}") == -1
        job_store.complete(ID, RESULT)
        job_store.accept(RECORD)
        assert 0 < client.ttl(f"unmask:video:{ID}") <= 7 * 24 * 3600


@pytest.mark.parametrize("progress", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_progress_that_is_no_fraction_is_refused(
    job_store: RedisJobStore, progress: float
) -> None:
    with pytest.raises(ValueError, match="not a step"):
        job_store.advance(ID, Status.INFERRING, progress)


def test_a_view_is_closed_with_an_outcome_only(job_store: RedisJobStore) -> None:
    with pytest.raises(ValueError, match="not a step"):
        job_store.advance(ID, Status.COMPLETED, 1.0)


def close(jobs: RedisJobStore, end: Status) -> bool:
    if end is Status.CANCELLED:
        return jobs.cancel(ID)
    return jobs.complete(ID, RESULT) if end is Status.COMPLETED else jobs.fail(ID, FAILURE)


steps = st.one_of(
    st.tuples(st.sampled_from(STAGES), st.floats(0, 1)),
    st.tuples(st.sampled_from([Status.COMPLETED, Status.FAILED, Status.CANCELLED]), st.none()),
    st.tuples(st.just("accept"), st.none()),
    st.tuples(st.just("waiting"), st.booleans()),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sequence=st.lists(steps, max_size=12))
def test_status_and_progress_only_go_forward_and_an_end_is_final(
    job_store: RedisJobStore, sequence: list[tuple[Status | str, float | bool | None]]
) -> None:
    job_store.forget(ID)
    job_store.accept(RECORD)
    before = view(job_store)
    for step, value in sequence:
        moved = None
        if step == "accept":
            job_store.accept(RECORD)
        elif step == "waiting":
            job_store.set_waiting(ID, waiting=bool(value))
        elif isinstance(step, Status) and value is not None:
            moved = job_store.advance(ID, step, value)
            assert moved == (not before.status.is_final and RANK[step] >= RANK[before.status])
        else:
            assert isinstance(step, Status)
            moved = close(job_store, step)
            assert moved == (not before.status.is_final)
        after = view(job_store)
        assert RANK[after.status] >= RANK[before.status]
        assert after.progress >= before.progress
        if before.status.is_final:
            assert after == before
        if moved:
            assert after.status is step
        assert (job_store.active(idle_s=0) == []) == after.status.is_final
        assert job_store.is_closed(ID) == after.status.is_final
        before = after


# --- what is going on ------------------------------------------------------------------------


def test_only_videos_on_which_nothing_happens_are_idle(job_store: RedisJobStore) -> None:
    quiet, busy, told = (record_of(name) for name in ("a", "b", "c"))
    for record in (quiet, busy, told):
        job_store.accept(record)
    time.sleep(0.7)
    job_store.advance(busy.id, Status.PREPROCESSING, 0.1)
    job_store.set_waiting(told.id, waiting=True)
    assert job_store.active(idle_s=0.6) == [quiet.id]
    assert set(job_store.active(idle_s=0)) == {"a", "b", "c"}


def test_waiting_is_noted_and_taken_back(job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    job_store.set_waiting(ID, waiting=True)
    assert view(job_store).waiting
    job_store.set_waiting(ID, waiting=False)
    assert not view(job_store).waiting


def test_who_sent_a_message_does_not_contradict_who_took_it(job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    job_store.acquire_lease(ID, "a", 5)
    job_store.set_waiting(ID, waiting=True, unless_leased=True)
    assert not view(job_store).waiting
    job_store.set_waiting(ID, waiting=True)  # by the holder, for the next stage
    assert view(job_store).waiting
    job_store.set_waiting(ID, waiting=False)
    job_store.release_lease(ID, "a")
    job_store.set_waiting(ID, waiting=True, unless_leased=True)
    assert view(job_store).waiting


@pytest.mark.parametrize("end", [None, Status.COMPLETED])
def test_waiting_neither_begins_a_view_nor_opens_one(
    job_store: RedisJobStore, end: Status | None
) -> None:
    if end:
        close(job_store, end)
        job_store.accept(RECORD)
    before = job_store.get(ID)
    job_store.set_waiting(ID, waiting=True)
    assert job_store.get(ID) == before
    assert job_store.active(idle_s=0) == []


def test_a_forgotten_video_leaves_nothing(job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    job_store.forget(ID)
    assert job_store.get(ID) is None
    assert job_store.active(idle_s=0) == []


def test_an_erased_video_cannot_be_brought_back(job_store: RedisJobStore, redis_url: str) -> None:
    job_store.accept(RECORD)
    job_store.advance(ID, Status.INFERRING, 0.6)
    job_store.erase(ID)
    assert job_store.is_closed(ID)
    job_store.accept(RECORD)  # by whoever read the record just before
    assert not job_store.advance(ID, Status.INFERRING, 0.7)
    assert not job_store.complete(ID, RESULT)
    job_store.set_waiting(ID, waiting=True)
    job_store.count_attempt(ID, Status.INFERRING)
    assert job_store.get(ID) is None
    assert job_store.active(idle_s=0) == []
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.ttl(f"unmask:video:{ID}") <= 24 * 3600


def test_nothing_is_closed_that_redis_does_not_know(job_store: RedisJobStore) -> None:
    assert not job_store.is_closed(ID)


def test_a_chore_is_done_until_its_time_is_up_or_redis_forgets(
    job_store: RedisJobStore, valkey: ValkeyServer
) -> None:
    assert not job_store.is_done("sweep")
    job_store.note_done("sweep", 0.2)
    assert job_store.is_done("sweep")
    time.sleep(0.25)
    assert not job_store.is_done("sweep")
    job_store.note_done("sweep", 60)
    valkey.flush()
    assert not job_store.is_done("sweep")


# --- leases, attempts, turns -----------------------------------------------------------------


def test_a_lease_has_one_holder(job_store: RedisJobStore) -> None:
    assert job_store.acquire_lease(ID, "a", 5)
    assert not job_store.acquire_lease(ID, "b", 5)
    assert job_store.acquire_lease("another video", "b", 5)
    assert job_store.is_leased(ID)


def test_one_of_many_gets_the_lease(redis_url: str, connect: Connect) -> None:
    stores = [connect(redis_url) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        taken = pool.map(lambda n: stores[n].acquire_lease(ID, str(n), 5), range(12))
        assert sorted(taken) == [False] * 11 + [True]


def test_only_the_holder_keeps_and_releases_a_lease(job_store: RedisJobStore) -> None:
    job_store.acquire_lease(ID, "a", 1)
    assert not job_store.acquire_lease(ID, "b", 5)
    job_store.release_lease(ID, "b")
    assert job_store.is_leased(ID)
    assert job_store.acquire_lease(ID, "a", 5)
    time.sleep(1.1)
    assert job_store.is_leased(ID)
    job_store.release_lease(ID, "a")
    assert not job_store.is_leased(ID)


def test_a_lease_ends_by_itself_and_then_belongs_to_whoever_asks(job_store: RedisJobStore) -> None:
    job_store.acquire_lease(ID, "a", 0.1)
    time.sleep(0.15)
    assert not job_store.is_leased(ID)
    assert job_store.acquire_lease(ID, "b", 5)
    assert not job_store.acquire_lease(ID, "a", 5)
    job_store.release_lease(ID, "a")
    assert job_store.is_leased(ID)


def test_attempts_are_counted_by_stage(job_store: RedisJobStore) -> None:
    assert job_store.count_attempt(ID, Status.PREPROCESSING) == 1
    assert job_store.count_attempt(ID, Status.PREPROCESSING) == 2
    assert job_store.count_attempt(ID, Status.INFERRING) == 1
    assert job_store.count_attempt(ID, Status.PREPROCESSING, by=-1) == 1
    job_store.forget_attempts(ID, Status.PREPROCESSING)
    assert job_store.count_attempt(ID, Status.PREPROCESSING) == 1
    assert job_store.count_attempt(ID, Status.INFERRING) == 2


def test_a_turn_is_kept_by_its_owner_and_goes_over_when_it_falls_silent(
    job_store: RedisJobStore,
) -> None:
    assert job_store.take_turn("sweeper", "a", 1)
    assert not job_store.take_turn("sweeper", "b", 1)
    assert job_store.take_turn("another", "b", 1)
    time.sleep(0.6)
    assert job_store.take_turn("sweeper", "a", 1)
    time.sleep(0.6)
    assert not job_store.take_turn("sweeper", "b", 1)
    time.sleep(0.5)
    assert job_store.take_turn("sweeper", "b", 1)
    job_store.end_turn("sweeper", "a")
    assert not job_store.take_turn("sweeper", "a", 1)
    job_store.end_turn("sweeper", "b")
    assert job_store.take_turn("sweeper", "a", 1)


# --- servers that fail -----------------------------------------------------------------------

CALLS: dict[str, Callable[[RedisJobStore], object]] = {
    "accept": lambda jobs: jobs.accept(RECORD),
    "get": lambda jobs: jobs.get(ID),
    "set_waiting": lambda jobs: jobs.set_waiting(ID, waiting=True),
    "advance": lambda jobs: jobs.advance(ID, Status.INFERRING, 0.5),
    "complete": lambda jobs: jobs.complete(ID, RESULT),
    "cancel": lambda jobs: jobs.cancel(ID),
    "is_closed": lambda jobs: jobs.is_closed(ID),
    "erase": lambda jobs: jobs.erase(ID),
    "active": lambda jobs: jobs.active(idle_s=1),
    "acquire_lease": lambda jobs: jobs.acquire_lease(ID, "a", 1),
    "is_leased": lambda jobs: jobs.is_leased(ID),
    "count_attempt": lambda jobs: jobs.count_attempt(ID, Status.INFERRING),
    "queue_length": lambda jobs: jobs.queue_length("preprocessor"),
    "reserve": lambda jobs: jobs.rooms.reserve("a", ID, size=1, most_bytes=1, most_unfinished=1),
    "live_workers": lambda jobs: jobs.live_workers("inference"),
    "take_turn": lambda jobs: jobs.take_turn("sweeper", "a", 1),
    "end_turn": lambda jobs: jobs.end_turn("sweeper", "a"),
    "gpus": lambda jobs: jobs.gpus.of(["here:1"]),
    "check": lambda jobs: jobs.check(),
}


def test_a_server_that_is_down_is_reported_within_two_seconds_by_every_method(
    connect: Connect,
) -> None:
    [port] = free_ports(1)
    jobs = connect(f"redis://127.0.0.1:{port}/0")

    def duration_of(call: Callable[[RedisJobStore], object]) -> float:
        started_at = time.monotonic()
        with pytest.raises(JobStoreUnavailable, match="ConnectionError"):
            call(jobs)
        return time.monotonic() - started_at

    with ThreadPoolExecutor(len(CALLS)) as pool:
        durations = dict(zip(CALLS, pool.map(duration_of, CALLS.values()), strict=True))
    assert max(durations.values()) < 2.5, durations


def test_a_server_that_hangs_is_given_up_in_seconds_and_used_again(
    valkey: ValkeyServer, job_store: RedisJobStore
) -> None:
    job_store.check()
    with valkey.frozen():
        started_at = time.monotonic()
        with pytest.raises(JobStoreUnavailable, match="Timeout"):
            job_store.get(ID)
        assert time.monotonic() - started_at < 3
    job_store.accept(RECORD)
    assert view(job_store).record == RECORD


def test_a_server_that_takes_no_connections_is_given_up_in_seconds(
    connect: Connect,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # A full backlog drops further connections without an answer, as a firewall does.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        jobs = connect(f"redis://127.0.0.1:{address[1]}/0")
        started_at = time.monotonic()
        with pytest.raises(JobStoreUnavailable, match="Timeout"):
            jobs.check()
        assert time.monotonic() - started_at < 3
        for filler in fillers:
            filler.close()


def test_a_wrong_password_is_reported_without_telling_it(
    valkey: ValkeyServer, connect: Connect
) -> None:
    address = valkey.url.rpartition("@")[2]
    jobs = connect(f"redis://:hunter2@{address}")
    with pytest.raises(JobStoreUnavailable, match="AuthenticationError") as caught:
        jobs.check()
    assert "hunter2" not in str(caught.value)


def test_everything_is_still_there_after_a_restart_of_the_server(
    valkey: ValkeyServer, job_store: RedisJobStore
) -> None:
    job_store.accept(RECORD)
    job_store.set_waiting(ID, waiting=True)
    job_store.advance(ID, Status.PREPROCESSING, 0.4)
    job_store.count_attempt(ID, Status.PREPROCESSING)
    job_store.acquire_lease(ID, "a", 30)
    before = view(job_store)
    with redis.Redis.from_url(valkey.url) as client:
        # On a slow disk the server puts off writing for a second or two; kills are not about that.
        client.set("written after all of that", 1)
        client.execute_command("WAITAOF", 1, 0, 10_000)
    with valkey.stopped():
        pass
    assert view(job_store) == before
    assert job_store.active(idle_s=0) == [ID]
    assert job_store.is_leased(ID)
    assert job_store.count_attempt(ID, Status.PREPROCESSING) == 2
    assert job_store.advance(ID, Status.INFERRING, 0.6)


def test_a_short_restart_goes_unnoticed(valkey: ValkeyServer, job_store: RedisJobStore) -> None:
    job_store.accept(RECORD)
    with ThreadPoolExecutor(1) as pool, valkey.stopped():
        reading = pool.submit(job_store.get, ID)
        time.sleep(0.2)
    assert reading.result() is not None
