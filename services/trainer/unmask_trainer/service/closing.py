"""Writes how a run ended."""

import logging
from datetime import UTC, datetime
from typing import Literal

from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_shared.videos import Failure
from unmask_trainer.service.documents import RunStatus, TrainingOutcome, outcome_key
from unmask_trainer.service.exchange import ProcessEnd

log = logging.getLogger(__name__)

FinalStatus = Literal[RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED]


def close_run(
    store: ObjectStore,
    run_id: str,
    status: FinalStatus,
    end: ProcessEnd | None = None,
    *,
    failure: Failure | None = None,
) -> None:
    """Write the outcome of a run whose lease the caller holds.

    Args:
        store: Has the run.
        run_id: The run.
        status: How it ended.
        end: The last words of the process that published, if it did.
        failure: Why it failed, if it did.
    """
    outcome = TrainingOutcome(
        status=status,
        finished_at=datetime.now(UTC),
        model=end.model if end else None,
        activated=end.activated if end else False,
        failure=failure,
    )
    write_document(store, outcome_key(run_id), outcome)
    log.info("the run is %s", status, extra={"run_id": run_id})
