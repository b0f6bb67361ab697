"""The documents of a training run in the object store, which are the truth about it.

`training/{id}/record.json` says that a run was accepted and what it is to do; `progress.json` how
far it is; `outcome.json`, written last, how it ended. `cancel.json` is a wish, `attempts.json`
counts starts that got no further.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document
from unmask_shared.videos import Failure, ModelRef
from unmask_trainer.service.errors import RunNotFound

RUNS_PREFIX: Final = "training/"


def record_key(run_id: str) -> str:
    """Key of the durable record that says the run was accepted."""
    return f"{RUNS_PREFIX}{run_id}/record.json"


def progress_key(run_id: str) -> str:
    """Key of how far the run is."""
    return f"{RUNS_PREFIX}{run_id}/progress.json"


def attempts_key(run_id: str) -> str:
    """Key of the count of starts."""
    return f"{RUNS_PREFIX}{run_id}/attempts.json"


def cancel_key(run_id: str) -> str:
    """Key of the wish that the run be cancelled."""
    return f"{RUNS_PREFIX}{run_id}/cancel.json"


def outcome_key(run_id: str) -> str:
    """Key of how the run ended."""
    return f"{RUNS_PREFIX}{run_id}/outcome.json"


class RunStatus(StrEnum):
    """Where a run stands; it only moves down this list, and ends in one of the last three."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """What a running run is at."""

    FETCHING = "fetching"
    TRAINING = "training"
    PUBLISHING = "publishing"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingRecord(_Document):
    """`record.json`: what is to be trained, as it was submitted."""

    schema_version: Literal[1] = 1
    id: str
    created_at: AwareDatetime
    experiment: Annotated[str, Field(description="The experiment's file, TOML.")]
    changes: Annotated[
        tuple[str, ...], Field(description="`KEY=VALUE` each, which replace what the file says.")
    ] = ()
    data: Annotated[
        tuple[str, ...], Field(min_length=1, description="Names of data sets in the object store.")
    ]
    version: Annotated[
        str | None, Field(description="To publish under; None for that of the experiment.")
    ] = None
    activate: bool = False


class TrainingProgress(_Document):
    """`progress.json`: how far a run is; `fraction` only grows."""

    phase: Phase
    fraction: Annotated[float, Field(ge=0, le=1)]
    epochs: Annotated[
        tuple[dict[str, Any], ...], Field(description="One `EpochRecord` for each epoch.")
    ] = ()
    updated_at: AwareDatetime


class Attempts(_Document):
    """`attempts.json`: how often a run was started since it last got further."""

    starts: Annotated[int, Field(ge=0)]
    fraction: Annotated[float, Field(description="How far it was at the first of them.")]
    last_problem: Annotated[str, Field(description="How the last of them ended, if known.")] = ""


class CancelRequest(_Document):
    """`cancel.json`: somebody wants the run to end."""

    requested_at: AwareDatetime


class TrainingOutcome(_Document):
    """`outcome.json`: how the run ended."""

    status: Literal[RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED]
    finished_at: AwareDatetime
    model: Annotated[ModelRef | None, Field(description="What was published.")] = None
    activated: bool = False
    failure: Failure | None = None


def read_record(store: ObjectStore, run_id: str) -> TrainingRecord:
    """What a run is to do.

    Raises:
        RunNotFound: There is no such run.
        DamagedDocument: The record cannot be read.
    """
    record = None
    # An id from a command line may be anything, even what cannot be part of a key.
    if run_id.replace("-", "").isalnum():
        record = read_document(store, record_key(run_id), TrainingRecord)
    if record is None:
        raise RunNotFound(f"There is no training run {run_id!r}.")
    return record


def read_progress(store: ObjectStore, run_id: str) -> TrainingProgress | None:
    """How far a run is; None as long as nobody has begun with it."""
    return read_document(store, progress_key(run_id), TrainingProgress)


def read_outcome(store: ObjectStore, run_id: str) -> TrainingOutcome | None:
    """How a run ended, if it did."""
    return read_document(store, outcome_key(run_id), TrainingOutcome)


def runs_in(keys: Iterable[str]) -> dict[str, bool]:
    """Whether each run has an outcome, by its id, given the keys of all documents."""
    found: dict[str, set[str]] = {}
    for key in keys:
        match key.split("/"):
            case [_, run_id, file]:
                found.setdefault(run_id, set()).add(file)
    return {
        run_id: "outcome.json" in files for run_id, files in found.items() if "record.json" in files
    }
