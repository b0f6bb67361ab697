"""How a worker runs one stage of one video: once at a time, and never without an end.

Delivery is at least once, so a message may come twice, come late, or come back after the worker
that held it died. A lease on the video lets one worker at a time through; what ends a video
(`result.json` or `failure.json`) is written before the live view says so. A video may be cancelled
or erased at any moment: the work ends at its next sign of progress, and leaves nothing of a video
that is gone.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

from unmask_shared.artifacts import cancellation_key, failure_key, record_key
from unmask_shared.erasure import erase_remains
from unmask_shared.errors import DamagedDocument, ProcessingCrashed, UnmaskError
from unmask_shared.job_store import MARK_ACCEPTED, MARK_PREPROCESSED, RedisJobStore
from unmask_shared.leases import held_lease, unless_redis_is_away
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import close_view, write_document
from unmask_shared.settings import JobSettings
from unmask_shared.subject import about, mention
from unmask_shared.tracing import span, trace_id
from unmask_shared.videos import Failure, Status

log = logging.getLogger(__name__)

ReportProgress = Callable[[float], None]


class StageEnd(Enum):
    """What the caller does after a stage."""

    GO_ON = auto()
    """The work is done; the next stage may begin."""

    STOP = auto()
    """Nothing is left to do: the video has an outcome, is gone, or somebody else is at it."""


class _WorkUnwantedError(Exception):
    """The video was cancelled or erased, or another worker has ended it."""


class StageRunner:
    """Runs the work of one stage under a lease, counts attempts, and records failures."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        settings: JobSettings,
        stage: Status,
        progress_from: float,
        progress_to: float,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._settings = settings
        self._stage = stage
        self._progress_from = progress_from
        self._progress_to = progress_to

    def run(
        self,
        video_id: str,
        work: Callable[[ReportProgress], None],
        *,
        started_mark: str,
        finished_mark: str | None = None,
    ) -> StageEnd:
        """Do the work unless it is done, being done, or has failed too often.

        Args:
            video_id: The video.
            work: Does the stage; it is given a function that takes the fraction done, in [0, 1].
            started_mark: Name under which the start is noted in the live view.
            finished_mark: The same for the end, for a stage that hands over to another one.

        Raises:
            UnmaskError: A retryable one: the caller should try again later.
            Exception: Any error that nobody foresaw; trying again is right until the attempts are
                used up, and then this method ends the video with `processing_crashed`.
        """
        with (
            about(video_id=video_id, stage=self._stage),
            held_lease(
                self._jobs, video_id, self._settings.lease_ttl_s, about=_of(video_id)
            ) as lease,
        ):
            if lease is None:
                log.info(
                    "dropped a copy of a message: another worker has the video", extra=_of(video_id)
                )
                return StageEnd.STOP
            try:
                end = self._run_leased(video_id, work, started_mark, finished_mark)
                erased = erase_remains(self._store, self._jobs, video_id)
            except Exception:
                self._expect_again(video_id)
                raise
            if erased:
                log.info("the video is erased, with what this stage wrote", extra=_of(video_id))
            return StageEnd.STOP if erased else end

    def _run_leased(
        self,
        video_id: str,
        work: Callable[[ReportProgress], None],
        started_mark: str,
        finished_mark: str | None,
    ) -> StageEnd:
        attempts_left = False
        try:
            # Under the lease, or a copy that looked just before the end would do it all again.
            if close_view(self._store, self._jobs, video_id):
                return StageEnd.STOP
            if not self._store.exists(record_key(video_id)):
                return StageEnd.STOP  # whoever holds the lease clears up
            with self._counted(video_id) as attempt:
                attempts_left = attempt < self._settings.max_attempts
                self._jobs.set_waiting(video_id, waiting=False)
                self._jobs.advance(video_id, self._stage, self._progress_from, mark=started_mark)
                if attempt == 1 and trace_id() is not None:
                    self._tell_wait(video_id)
                started_at = time.monotonic()
                with span(self._stage):
                    work(lambda fraction: self._report(video_id, fraction))
                log.info("done in %.2f s", time.monotonic() - started_at)
        except _WorkUnwantedError:
            log.info("stopped: nobody wants the result any more", extra=_of(video_id))
            return StageEnd.STOP
        except UnmaskError as error:
            if error.retryable or (error.worth_another_try and attempts_left):
                raise
            if self._is_wanted(video_id) and not self._has_ended(video_id):
                self._fail(video_id, error)
            return StageEnd.STOP
        with unless_redis_is_away("a stage is not counted", _of(video_id)):
            self._jobs.counts.add_run(self._stage, time.monotonic() - started_at)
            if not finished_mark:
                self._jobs.counts.add_outcome(Status.COMPLETED)
        if finished_mark:
            self._jobs.advance(video_id, self._stage, self._progress_to, mark=finished_mark)
            self._jobs.set_waiting(video_id, waiting=True)
        return StageEnd.GO_ON

    def check_wanted(self, video_id: str) -> None:
        """Go on with the work only if it is still wanted.

        For the work itself, to be called before it writes what ends the stage. It raises what `run`
        takes for an end without a failure.
        """
        # Who was frozen for longer than a lease may wake up after somebody else has ended it.
        if not self._is_wanted(video_id) or self._has_ended(video_id):
            raise _WorkUnwantedError

    def _is_wanted(self, video_id: str) -> bool:
        return self._store.exists(record_key(video_id)) and not self._store.exists(
            cancellation_key(video_id)
        )

    def _has_ended(self, video_id: str) -> bool:
        try:
            return close_view(self._store, self._jobs, video_id)
        except DamagedDocument:
            return False  # an outcome that nobody can read is none

    @contextmanager
    def _counted(self, video_id: str) -> Iterator[int]:
        """Count what never comes to an end, or to one that nobody foresaw.

        Yields:
            Which attempt it is, from 1 on.

        Raises:
            ProcessingCrashed: The attempts are used up.
        """
        attempt = self._jobs.count_attempt(video_id, self._stage)
        mention(attempt=attempt)
        if attempt > self._settings.max_attempts:
            raise ProcessingCrashed(
                f"The {self._stage} stage was started {attempt - 1} times and never ended."
            )
        try:
            yield attempt
        except UnmaskError as error:
            if error.retryable:
                # The video is not to blame, so this start does not count against it.
                with unless_redis_is_away("an attempt stays counted", _of(video_id)):
                    self._jobs.count_attempt(video_id, self._stage, by=-1)
            raise
        self._jobs.forget_attempts(video_id, self._stage)

    def _tell_wait(self, video_id: str) -> None:
        """Make the time in the queue a part of the trace."""
        marks = state.marks if (state := self._jobs.get(video_id)) else {}
        since = marks.get(MARK_PREPROCESSED, marks.get(MARK_ACCEPTED))
        if since is not None:
            # Marks are of Redis' clock, or the gateway's.
            with span("wait in queue", since=min(since, time.time())):
                pass

    def _expect_again(self, video_id: str) -> None:
        """Keep the sweeper from queueing what the caller is about to send again."""
        with unless_redis_is_away("the sweeper may queue a copy", _of(video_id)):
            self._jobs.set_waiting(video_id, waiting=True)

    def _report(self, video_id: str, fraction: float) -> None:
        progress = self._progress_from + (self._progress_to - self._progress_from) * fraction
        # Work goes on without its progress bar; what matters is written at the end.
        with unless_redis_is_away("progress could not be reported", _of(video_id)):
            moved = self._jobs.advance(video_id, self._stage, min(progress, self._progress_to))
            if not moved and self._jobs.is_closed(video_id):
                raise _WorkUnwantedError

    def _fail(self, video_id: str, error: UnmaskError) -> None:
        # Expected: a user's broken file is no fault of ours and needs no traceback.
        log.warning("video failed: %s: %s", error.code, error.detail, extra=_of(video_id))
        failure = Failure.of(error)
        write_document(self._store, failure_key(video_id), failure)
        if self._jobs.fail(video_id, failure):
            with unless_redis_is_away("a failure is not counted", _of(video_id)):
                self._jobs.counts.add_outcome(Status.FAILED, failure.code)


def _of(video_id: str) -> dict[str, str]:
    return {"video_id": video_id}
