"""How a stage runs: once at a time, and never without an end. Real Valkey, real folder."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from real_services import ValkeyServer
from sample_documents import FAILURE, record_of, result_of

from unmask_shared.artifacts import (
    faces_key,
    failure_key,
    record_key,
    result_key,
)
from unmask_shared.cancellation import cancel_video
from unmask_shared.erasure import erase_video
from unmask_shared.errors import (
    DecoderKilled,
    JobStoreUnavailable,
    ObjectStoreUnavailable,
    UnmaskError,
    UnreadableVideo,
)
from unmask_shared.job_store import JobState, RedisJobStore
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.settings import JobSettings
from unmask_shared.stages import ReportProgress, StageEnd, StageRunner
from unmask_shared.videos import Failure, Status

ID = "01890a5d-ac96-774b-bcce-b302099a8057"

Work = Callable[[ReportProgress], None]


class Stage:
    """A stage of one accepted video, with work that tests choose."""

    def __init__(self, store: LocalObjectStore, jobs: RedisJobStore, settings: JobSettings) -> None:
        self.store = store
        self.jobs = jobs
        self.settings = settings
        self.runs = 0
        write_document(store, record_key(ID), record_of(ID))
        jobs.accept(record_of(ID))
        jobs.set_waiting(ID, waiting=True)

    def runner(self, stage: Status = Status.PREPROCESSING) -> StageRunner:
        return StageRunner(
            store=self.store,
            jobs=self.jobs,
            settings=self.settings,
            stage=stage,
            progress_from=0.1,
            progress_to=0.5,
        )

    def run(
        self, work: Work = lambda report: None, *, stage: Status = Status.PREPROCESSING
    ) -> StageEnd:
        def counted(report: ReportProgress) -> None:
            self.runs += 1
            work(report)

        hands_over = stage is Status.PREPROCESSING
        return self.runner(stage).run(
            ID, counted, started_mark="started", finished_mark="finished" if hands_over else None
        )

    def finish(self) -> None:
        """Give the video an outcome, as the last stage does."""
        write_document(self.store, result_key(ID), result_of(ID))
        self.jobs.complete(ID, result_of(ID))

    @property
    def view(self) -> JobState:
        state = self.jobs.get(ID)
        assert state is not None
        return state

    def erase(self) -> None:
        """Erase the video, as DELETE does."""
        assert erase_video(self.store, self.jobs, ID)

    def cancel(self) -> None:
        """Cancel the video, as POST does."""
        cancel_video(self.store, self.jobs, ID)

    @property
    def stored(self) -> list[str]:
        """All keys of the store."""
        return list(self.store.keys("videos/"))

    @property
    def stored_failure(self) -> Failure | None:
        return read_document(self.store, failure_key(ID), Failure)


@pytest.fixture
def stage(
    local_store: LocalObjectStore, job_store: RedisJobStore, job_settings: JobSettings
) -> Stage:
    return Stage(local_store, job_store, job_settings)


def raising(error: Exception) -> Work:
    def work(report: ReportProgress) -> None:
        raise error

    return work


# --- the ordinary course ---------------------------------------------------------------------


def test_work_is_done_once_and_handed_over(stage: Stage) -> None:
    seen: list[tuple[Status, float, bool]] = []

    def work(report: ReportProgress) -> None:
        for fraction in (0.0, 0.5, 1.0):
            report(fraction)
            seen.append((stage.view.status, round(stage.view.progress, 6), stage.view.waiting))

    assert stage.run(work) is StageEnd.GO_ON
    preprocessing = Status.PREPROCESSING
    assert seen == [
        (preprocessing, 0.1, False),
        (preprocessing, 0.3, False),
        (preprocessing, 0.5, False),
    ]
    assert stage.view.waiting
    assert {"started", "finished"} <= stage.view.marks.keys()
    assert not stage.jobs.is_leased(ID)


def test_the_last_stage_leaves_nothing_waiting(stage: Stage) -> None:
    assert stage.run(lambda report: stage.finish(), stage=Status.INFERRING) is StageEnd.GO_ON
    assert (stage.view.status, stage.view.waiting) == (Status.COMPLETED, False)


def test_progress_stays_within_the_stage(stage: Stage) -> None:
    stage.run(lambda report: report(1.7))
    assert stage.view.progress == 0.5


@pytest.mark.parametrize("key", [result_key(ID), failure_key(ID)])
def test_a_video_with_an_outcome_is_left_alone_and_its_view_closed(
    stage: Stage, valkey: ValkeyServer, key: str
) -> None:
    write_document(stage.store, key, result_of(ID) if key == result_key(ID) else FAILURE)
    valkey.flush()
    stage.jobs.accept(record_of(ID))
    assert stage.run() is StageEnd.STOP
    assert stage.runs == 0
    assert stage.view.status.is_final


def test_a_video_that_was_erased_is_left_alone(stage: Stage) -> None:
    stage.store.delete_prefix("videos/")
    stage.jobs.forget(ID)
    assert stage.run() is StageEnd.STOP
    assert stage.runs == 0
    assert stage.jobs.get(ID) is None
    assert stage.jobs.active(idle_s=0) == []


def test_what_is_left_of_an_erased_video_is_erased_by_the_next_message(stage: Stage) -> None:
    # A worker wrote these after the video was erased, and died before it could clear up.
    stage.erase()
    write_document(stage.store, result_key(ID), result_of(ID))
    assert stage.run() is StageEnd.STOP
    assert (stage.runs, stage.stored) == (0, [])


# --- cancelled or erased meanwhile -----------------------------------------------------------


@pytest.mark.parametrize("end", [Stage.cancel, Stage.erase])
def test_work_that_nobody_wants_stops_at_its_next_sign_of_progress(
    stage: Stage, end: Callable[[Stage], None]
) -> None:
    reached = []

    def work(report: ReportProgress) -> None:
        report(0.2)
        end(stage)
        reached.append(True)
        report(0.3)
        reached.append(False)

    assert stage.run(work) is StageEnd.STOP
    assert reached == [True]
    assert stage.stored_failure is None
    assert not stage.jobs.is_leased(ID)
    assert stage.jobs.active(idle_s=0) == []


@pytest.mark.parametrize("end", [Stage.cancel, Stage.erase])
def test_work_looks_whether_it_is_wanted_before_it_ends_the_stage(
    stage: Stage, end: Callable[[Stage], None]
) -> None:
    def work(report: ReportProgress) -> None:
        end(stage)
        stage.runner().check_wanted(ID)
        raise AssertionError("it went on")

    assert stage.run(work) is StageEnd.STOP
    assert stage.stored_failure is None


@pytest.mark.parametrize("error", [None, UnreadableVideo("It ends in its header.")])
def test_who_wakes_up_after_another_has_ended_the_video_changes_nothing(
    stage: Stage, error: UnmaskError | None
) -> None:
    runner = stage.runner(Status.INFERRING)

    def work(report: ReportProgress) -> None:
        stage.finish()  # by another worker, while this one was frozen
        if error is not None:
            raise error
        runner.check_wanted(ID)
        raise AssertionError("the work went on")

    assert stage.run(work, stage=Status.INFERRING) is StageEnd.STOP
    assert stage.stored_failure is None
    assert stage.view.status is Status.COMPLETED
    assert stage.jobs.counts.totals().outcomes == {}


def test_a_result_that_is_written_after_the_video_was_erased_is_erased_too(stage: Stage) -> None:
    def work(report: ReportProgress) -> None:
        stage.erase()
        assert stage.stored == []
        write_document(stage.store, faces_key(ID), result_of(ID))
        stage.finish()

    assert stage.run(work, stage=Status.INFERRING) is StageEnd.STOP
    assert stage.stored == []
    assert stage.jobs.get(ID) is None


def test_work_that_meets_the_gaps_of_an_erased_video_leaves_no_failure(stage: Stage) -> None:
    def work(report: ReportProgress) -> None:
        stage.erase()
        raise UnreadableVideo

    assert stage.run(work) is StageEnd.STOP
    assert stage.stored == []


def test_an_erased_video_stays_erased_though_redis_forgot_it(
    stage: Stage, valkey: ValkeyServer
) -> None:
    def work(report: ReportProgress) -> None:
        stage.erase()
        valkey.flush()
        report(0.5)  # which cannot tell that nobody wants it
        stage.finish()

    assert stage.run(work, stage=Status.INFERRING) is StageEnd.STOP
    assert stage.stored == []
    assert stage.jobs.get(ID) is None
    assert stage.jobs.active(idle_s=0) == []


def test_a_result_that_comes_after_the_video_was_cancelled_does_not_count(
    stage: Stage, valkey: ValkeyServer
) -> None:
    def work(report: ReportProgress) -> None:
        stage.cancel()
        stage.finish()

    stage.run(work, stage=Status.INFERRING)
    assert stage.view.status is Status.CANCELLED
    valkey.flush()
    assert stage.run(stage=Status.INFERRING) is StageEnd.STOP
    stage.jobs.accept(record_of(ID))
    assert stage.view.status is Status.CANCELLED


def test_a_cancelled_video_is_not_begun(stage: Stage, valkey: ValkeyServer) -> None:
    stage.cancel()
    valkey.flush()
    assert stage.run() is StageEnd.STOP
    assert stage.runs == 0


# --- copies of messages ----------------------------------------------------------------------


def test_a_copy_is_dropped_while_the_work_goes_on(stage: Stage) -> None:
    ends = []
    assert stage.run(lambda report: ends.append(stage.run())) is StageEnd.GO_ON
    assert ends == [StageEnd.STOP]
    assert stage.runs == 1


def test_of_many_copies_at_once_one_does_the_work(stage: Stage) -> None:
    def work(report: ReportProgress) -> None:
        time.sleep(0.1)
        stage.finish()

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda _: stage.run(work, stage=Status.INFERRING), range(8)))
    assert stage.runs == 1
    assert sorted(end.name for end in ends) == ["GO_ON"] + ["STOP"] * 7


def test_a_copy_that_comes_as_the_work_ends_does_not_repeat_it(stage: Stage) -> None:
    # It asks for the lease the moment it is free, when the outcome is just there.
    def copy_when_free() -> StageEnd:
        while stage.jobs.is_leased(ID):
            pass
        return stage.run(stage=Status.INFERRING)

    with ThreadPoolExecutor(1) as pool:
        copies = []

        def work(report: ReportProgress) -> None:
            copies.append(pool.submit(copy_when_free))
            stage.finish()

        stage.run(work, stage=Status.INFERRING)
        assert copies[0].result() is StageEnd.STOP
    assert stage.runs == 1


# --- errors ----------------------------------------------------------------------------------


def test_a_video_that_cannot_be_processed_fails_in_both_stores(stage: Stage) -> None:
    error = UnreadableVideo("The video ends in its header.")
    assert stage.run(raising(error)) is StageEnd.STOP
    assert stage.stored_failure == Failure.of(error)
    assert (stage.view.status, stage.view.failure) == (Status.FAILED, Failure.of(error))
    assert stage.run() is StageEnd.STOP
    assert stage.runs == 1


@pytest.mark.parametrize("error", [ObjectStoreUnavailable(), JobStoreUnavailable()])
def test_dependencies_that_are_away_use_up_no_attempts(stage: Stage, error: UnmaskError) -> None:
    for _ in range(stage.settings.max_attempts + 2):
        with pytest.raises(type(error)):
            stage.run(raising(error))
        assert not stage.jobs.is_leased(ID)
        assert stage.view.waiting  # the caller sends the message again
    assert stage.run() is StageEnd.GO_ON
    assert stage.stored_failure is None


def test_a_decoder_that_is_killed_fails_the_video_only_if_it_is_each_time(stage: Stage) -> None:
    error = DecoderKilled("The decoder was killed.")
    for _ in range(stage.settings.max_attempts - 1):
        with pytest.raises(DecoderKilled):
            stage.run(raising(error))
        assert stage.stored_failure is None
    assert stage.run(raising(error)) is StageEnd.STOP
    assert stage.stored_failure == Failure.of(error)
    assert stage.view.status is Status.FAILED


def test_errors_that_nobody_foresaw_are_tried_again_a_few_times(stage: Stage) -> None:
    for _ in range(stage.settings.max_attempts):
        with pytest.raises(ZeroDivisionError):
            stage.run(raising(ZeroDivisionError()))
        assert stage.view.waiting
    assert stage.run() is StageEnd.STOP
    assert stage.runs == stage.settings.max_attempts
    failure = stage.view.failure
    assert failure is not None
    assert failure.code == "processing_crashed"
    assert "preprocessing stage was started 3 times" in failure.detail
    assert stage.stored_failure == failure


def test_attempts_count_for_one_stage_and_until_it_ends_well(stage: Stage) -> None:
    for _ in range(stage.settings.max_attempts - 1):
        with pytest.raises(ZeroDivisionError):
            stage.run(raising(ZeroDivisionError()))
    # The sweeper may send a video through the first stage any number of times.
    for _ in range(stage.settings.max_attempts + 1):
        assert stage.run() is StageEnd.GO_ON
    assert stage.run(stage=Status.INFERRING) is StageEnd.GO_ON


def test_a_worker_that_is_killed_every_time_ends_the_video(
    stage: Stage, tmp_path: Path, job_settings: JobSettings
) -> None:
    stage.settings = job_settings.model_copy(update={"max_attempts": 1})
    script = f"""
import os, pathlib, signal, sys
from unmask_shared.job_store import make_job_store
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.settings import JobSettings
from unmask_shared.stages import StageRunner
from unmask_shared.videos import Status
settings = JobSettings(lease_ttl_s=0.9, visibility_timeout_s=1, max_attempts=1)
StageRunner(
    store=LocalObjectStore(pathlib.Path(sys.argv[1])), jobs=make_job_store(settings),
    settings=settings, stage=Status.PREPROCESSING, progress_from=0, progress_to=1,
).run({ID!r}, lambda report: os.kill(os.getpid(), signal.SIGKILL), started_mark="started")
"""
    died = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "store"],
        env={"UNMASK_REDIS_URL": job_settings.redis_url.get_secret_value()},
        check=False,
    )
    assert died.returncode == -9
    assert stage.view.status is Status.PREPROCESSING
    deadline = time.monotonic() + 5
    while stage.jobs.is_leased(ID):
        assert time.monotonic() < deadline
        assert stage.run() is StageEnd.STOP  # a copy that comes too early
        time.sleep(0.05)
    assert stage.run() is StageEnd.STOP
    assert stage.runs == 0
    assert stage.view.failure is not None
    assert stage.view.failure.code == "processing_crashed"


def test_a_failure_that_cannot_be_stored_is_no_end_yet(stage: Stage, tmp_path: Path) -> None:
    def unmount_and_fail(report: ReportProgress) -> None:
        (tmp_path / "store").rename(tmp_path / "unmounted")
        raise UnreadableVideo

    with pytest.raises(ObjectStoreUnavailable):
        stage.run(unmount_and_fail)
    assert not stage.view.status.is_final
    with pytest.raises(ObjectStoreUnavailable):
        stage.run()  # nothing can be told about the video: no reason to drop the message
    (tmp_path / "unmounted").rename(tmp_path / "store")
    assert stage.run(raising(UnreadableVideo())) is StageEnd.STOP
    assert stage.view.status is Status.FAILED


def test_an_outcome_that_cannot_be_read_ends_the_video_and_is_kept(stage: Stage) -> None:
    stage.store.put(result_key(ID), b'{"verdict": ', content_type="application/json")
    assert stage.run() is StageEnd.STOP
    assert stage.runs == 0
    assert stage.view.failure is not None
    assert stage.view.failure.code == "damaged_document"
    assert result_key(ID) in stage.view.failure.detail
    assert stage.store.get(result_key(ID)) == b'{"verdict": '


# --- leases ----------------------------------------------------------------------------------


def test_the_lease_lasts_as_long_as_the_work(stage: Stage) -> None:
    taken = []

    def work(report: ReportProgress) -> None:
        end = time.monotonic() + 2.5 * stage.settings.lease_ttl_s
        while time.monotonic() < end:
            taken.append(stage.jobs.acquire_lease(ID, "another worker", 1))
            time.sleep(0.02)

    assert stage.run(work) is StageEnd.GO_ON
    assert taken
    assert not any(taken)
    assert stage.jobs.acquire_lease(ID, "another worker", 1)


def test_a_lease_that_redis_forgot_is_taken_back(stage: Stage, valkey: ValkeyServer) -> None:
    def work(report: ReportProgress) -> None:
        valkey.flush()
        time.sleep(stage.settings.lease_ttl_s)
        assert stage.jobs.is_leased(ID)

    assert stage.run(work) is StageEnd.GO_ON
    assert not stage.jobs.is_leased(ID)
    # What the worker told meanwhile is there once the record is.
    stage.jobs.accept(record_of(ID))
    assert (stage.view.status, stage.view.progress) == (Status.PREPROCESSING, 0.5)


def test_a_lease_that_went_to_another_worker_is_not_touched(
    stage: Stage, valkey: ValkeyServer
) -> None:
    def work(report: ReportProgress) -> None:
        valkey.flush()
        assert stage.jobs.acquire_lease(ID, "another worker", 30)
        time.sleep(stage.settings.lease_ttl_s)

    stage.run(work)
    assert stage.jobs.acquire_lease(ID, "another worker", 30)
    assert not stage.jobs.acquire_lease(ID, "a third one", 30)


def test_the_lease_ends_with_the_work_whatever_its_end(stage: Stage) -> None:
    for error in (KeyboardInterrupt(), ZeroDivisionError(), ObjectStoreUnavailable()):

        def work(report: ReportProgress, error: BaseException = error) -> None:
            raise error

        with suppress(type(error)):
            stage.run(work)
        assert not stage.jobs.is_leased(ID)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lease-")]


# --- a server that comes and goes ------------------------------------------------------------


def test_work_goes_on_while_redis_is_away(stage: Stage, valkey: ValkeyServer) -> None:
    def work(report: ReportProgress) -> None:
        with valkey.stopped():
            report(0.5)

    assert stage.run(work) is StageEnd.GO_ON
    assert stage.view.progress == 0.5


def test_an_end_that_cannot_be_told_is_told_by_the_next_copy(
    stage: Stage, valkey: ValkeyServer
) -> None:
    def work(report: ReportProgress) -> None:
        write_document(stage.store, result_key(ID), result_of(ID))
        valkey.kill()

    try:
        with pytest.raises(JobStoreUnavailable):
            stage.run(work, stage=Status.INFERRING)
    finally:
        valkey.run()
    time.sleep(stage.settings.lease_ttl_s)  # the lease was left to expire
    assert stage.run(stage=Status.INFERRING) is StageEnd.STOP
    assert stage.runs == 1
    assert stage.view.status is Status.COMPLETED
