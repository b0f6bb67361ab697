"""Queues training runs again on which nobody works."""

import logging
import threading
import uuid

from celery import Celery

from unmask_shared.broker import queued_runs
from unmask_shared.errors import DependencyUnavailable
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_trainer.service.documents import RUNS_PREFIX, runs_in
from unmask_trainer.service.submissions import enqueue_run

log = logging.getLogger(__name__)


class RunSweeper:
    """Finds runs that have no outcome, no lease and no message; one of all workers sweeps."""

    def __init__(self, *, store: ObjectStore, jobs: RedisJobStore, celery: Celery) -> None:
        self._store = store
        self._jobs = jobs
        self._celery = celery
        self._name = uuid.uuid4().hex

    def sweep(self) -> list[str]:
        """Queue what is lost, paused or was given back.

        Returns:
            Ids of the runs.

        Raises:
            DependencyUnavailable: A store or the queue is away.
        """
        runs = runs_in(self._store.keys(RUNS_PREFIX))
        # The messages first, then the leases: a worker takes the lease before its message ends.
        candidates = {run_id for run_id, is_over in runs.items() if not is_over}
        if candidates:
            candidates -= queued_runs(self._celery)
        lost = sorted(run_id for run_id in candidates if not self._jobs.is_leased(run_id))
        for run_id in lost:
            log.info("queued again: nobody was working on it", extra={"run_id": run_id})
            enqueue_run(self._celery, run_id)
        return lost

    def run(self, stop: threading.Event, *, every_s: float) -> None:
        """Sweep until told to stop; dependencies that are down are waited for."""
        while not stop.wait(every_s):
            try:
                if self._jobs.take_turn("training-sweeper", self._name, every_s * 3):
                    self.sweep()
            except DependencyUnavailable as error:
                log.warning("the sweeper waits: %s", error.detail)
            except Exception:
                # Whatever it is, runs that are lost have nobody else to find them.
                log.exception("a sweep failed")
