"""Submits training runs, cancels them, and tells where they stand."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import uuid_utils
from celery import Celery
from kombu.exceptions import OperationalError

from unmask_shared.errors import BrokerUnavailable, ModelVersionTaken
from unmask_shared.job_store import RedisJobStore
from unmask_shared.leases import held_lease
from unmask_shared.messages import TRAIN_CHECKPOINT, TrainingMessage
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import version_key
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_trainer.service.closing import close_run
from unmask_trainer.service.documents import (
    RUNS_PREFIX,
    CancelRequest,
    RunStatus,
    TrainingOutcome,
    TrainingProgress,
    TrainingRecord,
    cancel_key,
    read_outcome,
    read_progress,
    read_record,
    record_key,
    runs_in,
)
from unmask_trainer.service.errors import RunIsOver
from unmask_trainer.service.experiments import experiment_of
from unmask_trainer.service.leftovers import erase_states
from unmask_trainer.service.stored_data import StoredData

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands, by its documents.

    Attributes:
        record: What it is to do.
        progress: How far it is; None before a worker began.
        outcome: How it ended; None before it did.
        cancelling: Whether somebody wants it to end.
    """

    record: TrainingRecord
    progress: TrainingProgress | None
    outcome: TrainingOutcome | None
    cancelling: bool

    @property
    def status(self) -> RunStatus:
        """Where it stands, in a word."""
        if self.outcome is not None:
            return self.outcome.status
        return RunStatus.QUEUED if self.progress is None else RunStatus.RUNNING

    @property
    def fraction(self) -> float:
        """How far it is, in [0, 1]; it only grows."""
        if self.status is RunStatus.COMPLETED:
            return 1.0
        return self.progress.fraction if self.progress else 0.0


class RunStore:
    """The runs in an object store, for those who only look."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def ids(self) -> list[str]:
        """Ids of all runs, the oldest first."""
        return sorted(runs_in(self._store.keys(RUNS_PREFIX)))

    def state(self, run_id: str) -> RunState:
        """Where a run stands.

        Raises:
            RunNotFound: There is no such run.
            DamagedDocument: One of its documents cannot be read.
        """
        return RunState(
            record=read_record(self._store, run_id),
            progress=read_progress(self._store, run_id),
            # Last: a run that completes meanwhile is told as completed.
            outcome=read_outcome(self._store, run_id),
            cancelling=self._store.exists(cancel_key(run_id)),
        )


class Submissions:
    """Gives runs to the workers, and takes them back."""

    def __init__(
        self, *, store: ObjectStore, jobs: RedisJobStore, celery: Celery, lease_ttl_s: float
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._celery = celery
        self._lease_ttl_s = lease_ttl_s

    def submit(
        self,
        experiment: str,
        data: Sequence[str],
        *,
        changes: Sequence[str] = (),
        version: str | None = None,
        activate: bool = False,
    ) -> TrainingRecord:
        """Accept a run, after looking whether it can be done, and queue it.

        While the queue is away the run is accepted too; the workers' sweeper queues it.

        Args:
            experiment: The experiment's file, TOML.
            data: Names of data sets that were uploaded.
            changes: `KEY=VALUE` each, which replace what the file says.
            version: To publish under; None for that of the experiment's card.
            activate: Whether the workers are to judge with it.

        Raises:
            InvalidExperiment: The experiment is not valid.
            DatasetNotFound: A data set was not uploaded.
            InvalidModelRef: Name or version cannot be those of a model.
            ModelVersionTaken: The version is published already.
        """
        card = experiment_of(experiment, changes).card
        published_as = (card.name, version or card.version)
        version_key(*published_as, "card.json")
        for name in data:
            StoredData(self._store).manifest(name)
        if published_as in ModelRegistry(self._store).versions():
            raise ModelVersionTaken(f"{' '.join(published_as)} is published already.")
        record = TrainingRecord(
            id=str(uuid_utils.uuid7()),
            created_at=datetime.now(UTC),
            experiment=experiment,
            changes=tuple(changes),
            data=tuple(data),
            version=version,
            activate=activate,
        )
        write_document(self._store, record_key(record.id), record)
        try:
            enqueue_run(self._celery, record.id)
        except BrokerUnavailable as error:
            log.warning("a worker queues the run: %s", error.detail, extra={"run_id": record.id})
        return record

    def cancel(self, run_id: str) -> bool:
        """Wish for the end of a run; at once if nobody is at it.

        Returns:
            Whether it is cancelled already. Otherwise its worker ends it within seconds, unless it
            is publishing.

        Raises:
            RunNotFound: There is no such run.
            RunIsOver: It has an outcome.
        """
        read_record(self._store, run_id)
        outcome = read_outcome(self._store, run_id)
        if outcome is not None:
            raise RunIsOver(f"The run {run_id} is {outcome.status} already.")
        wish = CancelRequest(requested_at=datetime.now(UTC))
        write_document(self._store, cancel_key(run_id), wish)
        with held_lease(self._jobs, run_id, self._lease_ttl_s, about={"run_id": run_id}) as lost:
            if lost is None:
                return False
            if read_outcome(self._store, run_id) is None:
                close_run(self._store, run_id, RunStatus.CANCELLED)
                erase_states(self._store, run_id)
        return True


def enqueue_run(celery: Celery, run_id: str) -> None:
    """Put the message of a run into the broker.

    Raises:
        BrokerUnavailable: The queue does not take messages; a sweeper queues the run later.
    """
    try:
        celery.send_task(TRAIN_CHECKPOINT, kwargs=TrainingMessage(run_id=run_id).model_dump())
    except OperationalError as error:
        raise BrokerUnavailable("The queue does not take messages.") from error
