"""How a worker does one training run: once at a time, to an end, however often it is begun.

The object store has the truth about a run, a lease lets one worker at a time through, and the work
is done by a process of its own. Whatever ends that early, the run stays open, and the sweeper
queues it again as soon as nobody holds its lease (ADR 0008).
"""

import logging
import threading
import time

from unmask_shared.errors import ObjectStoreUnavailable, UnmaskError
from unmask_shared.job_store import RedisJobStore
from unmask_shared.leases import held_lease
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.videos import Failure
from unmask_trainer.service.child import TrainingChild
from unmask_trainer.service.closing import FinalStatus, close_run
from unmask_trainer.service.documents import (
    Attempts,
    RunStatus,
    TrainingProgress,
    attempts_key,
    cancel_key,
    progress_key,
    read_outcome,
    read_progress,
    read_record,
)
from unmask_trainer.service.errors import TrainingCrashed
from unmask_trainer.service.exchange import End, Order, ProcessEnd
from unmask_trainer.service.leftovers import drop_states
from unmask_trainer.service.settings import TrainerSettings

log = logging.getLogger(__name__)

_CANCEL_PATIENCE_S = 5.0


class TrainingRunner:
    """Does training runs, one after the other."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        settings: TrainerSettings,
        lease_ttl_s: float,
        stopping: threading.Event,
    ) -> None:
        """Do nothing yet.

        Args:
            store: Has the records, and takes all that comes of them.
            jobs: Keeps the leases.
            settings: Where to train, and how to watch over it.
            lease_ttl_s: A worker that is silent for so long counts as dead.
            stopping: Set when the worker is to end: the run at hand is given back.
        """
        self._store = store
        self._jobs = jobs
        self._settings = settings
        self._lease_ttl_s = lease_ttl_s
        self._stopping = stopping

    def run(self, run_id: str) -> None:
        """Do a run, go on with it, or leave it: it is over, somebody else has it, or it is gone.

        Raises:
            DependencyUnavailable: A store is away; the run stays open.
        """
        with held_lease(self._jobs, run_id, self._lease_ttl_s, about=_of(run_id)) as lost:
            if lost is None:
                log.info("dropped a copy: another worker has the run", extra=_of(run_id))
                return
            # Under the lease, or a copy that looked just before the end would do it all again.
            if read_outcome(self._store, run_id) is not None:
                # Whoever ended it may have died before it had tidied up.
                self._tidy_up(run_id)
                return
            if self._stopping.is_set():
                return
            try:
                self._run_leased(run_id, lost)
            except UnmaskError as error:
                if error.retryable:
                    raise
                self._end(run_id, RunStatus.FAILED, failure=Failure.of(error))

    def _run_leased(self, run_id: str, lost: threading.Event) -> None:
        read_record(self._store, run_id)
        if self._store.exists(cancel_key(run_id)):
            self._end(run_id, RunStatus.CANCELLED)
            return
        self._count_start(run_id)
        with TrainingChild(run_id, self._settings.run_folder(run_id)) as child:
            cancelled = self._watch(run_id, child, lost)
            end = child.end()
            if lost.is_set() and end.end is not End.PUBLISHED:
                return
            self._tell(run_id, child.progress())
        self._conclude(run_id, end, cancelled=cancelled)

    def _watch(self, run_id: str, child: TrainingChild, lost: threading.Event) -> bool:
        """Wait for the end of the process, or bring it about; whether it was cancelled."""
        told: TrainingProgress | None = None
        looked_at = 0.0
        while not child.wait(min(0.5, self._settings.trainer_poll_s)):
            if lost.is_set():
                log.warning("stopped: another worker has the run", extra=_of(run_id))
                child.kill()
                return False
            if self._stopping.is_set():
                child.stop(Order.PAUSE, patience_s=self._settings.trainer_stop_patience_s)
                return False
            if time.monotonic() - looked_at < self._settings.trainer_poll_s:
                continue
            looked_at = time.monotonic()
            if self._is_cancelled(run_id):
                child.stop(Order.CANCEL, patience_s=_CANCEL_PATIENCE_S)
                return True
            progress = child.progress()
            if progress != told:
                self._tell(run_id, progress)
                told = progress
        return False

    def _conclude(self, run_id: str, end: ProcessEnd, *, cancelled: bool) -> None:
        match end.end:
            case End.PUBLISHED:
                self._end(run_id, RunStatus.COMPLETED, end)
            case End.FAILED:
                self._end(run_id, RunStatus.FAILED, failure=end.failure)
            case _ if cancelled:
                self._end(run_id, RunStatus.CANCELLED)
            case End.STOPPED | End.INTERRUPTED:
                # Neither is the run's fault.
                self._count_start(run_id, by=-1)
                log.info("gave the run back: %s", end.problem or end.end, extra=_of(run_id))
            case End.CRASHED if self._stopping.is_set():
                # It did not end in time, so it was ended.
                self._count_start(run_id, by=-1)
            case End.CRASHED:
                log.error("the run crashed: %s", end.problem, extra=_of(run_id))
                self._note_problem(run_id, end.problem)

    def _count_start(self, run_id: str, *, by: int = 1) -> None:
        """Count what gets no further.

        Raises:
            TrainingCrashed: The starts are used up.
        """
        progress = read_progress(self._store, run_id)
        fraction = progress.fraction if progress else 0.0
        before = read_document(self._store, attempts_key(run_id), Attempts)
        if before is None or (by > 0 and fraction > before.fraction):
            before = Attempts(starts=0, fraction=fraction)
        if by > 0 and before.starts >= self._settings.trainer_max_attempts:
            raise TrainingCrashed(
                f"The run was started {before.starts} times at {fraction:.1%} and got no further. "
                f"{before.last_problem}".strip()
            )
        starts = max(0, before.starts + by)
        self._write_attempts(run_id, before.model_copy(update={"starts": starts}))

    def _note_problem(self, run_id: str, problem: str) -> None:
        before = read_document(self._store, attempts_key(run_id), Attempts)
        if before is not None:
            self._write_attempts(run_id, before.model_copy(update={"last_problem": problem}))

    def _write_attempts(self, run_id: str, attempts: Attempts) -> None:
        write_document(self._store, attempts_key(run_id), attempts)

    def _is_cancelled(self, run_id: str) -> bool:
        try:
            return self._store.exists(cancel_key(run_id))
        except ObjectStoreUnavailable as error:
            log.warning("cannot look for cancellation: %s", error.detail, extra=_of(run_id))
            return False

    def _tell(self, run_id: str, progress: TrainingProgress | None) -> None:
        if progress is None:
            return
        try:
            write_document(self._store, progress_key(run_id), progress)
        except ObjectStoreUnavailable as error:
            # Training goes on without; the next progress is told again.
            log.warning("progress could not be told: %s", error.detail, extra=_of(run_id))

    def _end(
        self,
        run_id: str,
        status: FinalStatus,
        end: ProcessEnd | None = None,
        *,
        failure: Failure | None = None,
    ) -> None:
        # A worker that had lost its lease unnoticed may have been faster.
        if read_outcome(self._store, run_id) is None:
            close_run(self._store, run_id, status, end, failure=failure)
        self._tidy_up(run_id)

    def _tidy_up(self, run_id: str) -> None:
        try:
            drop_states(self._store, run_id, self._settings.run_folder(run_id))
        except ObjectStoreUnavailable as error:
            log.warning("states of the run are left: %s", error.detail, extra=_of(run_id))


def _of(run_id: str) -> dict[str, str]:
    return {"run_id": run_id}
