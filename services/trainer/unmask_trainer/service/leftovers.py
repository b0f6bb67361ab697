"""What a run that is over leaves behind, in the store and on disk, and needs no more."""

import shutil
from pathlib import Path
from typing import Final

from unmask_shared.object_store import ObjectStore
from unmask_trainer.service.stored_folders import StoredFolder

SNAPSHOT_FOLDER: Final = ".snapshot"
# As the experiment names them; spelt here, since a worker has no need of PyTorch.
_STAGES_FOLDER: Final = "stages"
_INITIAL_FILE: Final = "initial.safetensors"


def states_prefix(run_id: str) -> str:
    """Prefix of the keys of a run's state."""
    return f"training-states/{run_id}/"


def erase_states(store: ObjectStore, run_id: str) -> None:
    """Erase the states of a run from the store."""
    StoredFolder(store, states_prefix(run_id)).erase()


def drop_states(store: ObjectStore, run_id: str, folder: Path) -> None:
    """Erase the states of a run, on disk too; its checkpoint and curves stay there."""
    erase_states(store, run_id)
    for name in (_STAGES_FOLDER, SNAPSHOT_FOLDER):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / _INITIAL_FILE).unlink(missing_ok=True)
