"""The state of a run, kept in the object store so that another machine can go on with it."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import torch

from unmask_shared.errors import ObjectNotFound, ObjectStoreUnavailable
from unmask_shared.object_store import ObjectStore
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.experiment import HISTORY_FILE
from unmask_trainer.finishing import CHECKPOINT_FOLDER
from unmask_trainer.running import INITIAL_FILE, RUN_FILE
from unmask_trainer.service.errors import DamagedFolder
from unmask_trainer.service.leftovers import SNAPSHOT_FOLDER, states_prefix
from unmask_trainer.service.stored_folders import StoredFolder, describe
from unmask_trainer.stages import DONE_FILE, STAGES_FOLDER, WEIGHTS_FILE
from unmask_trainer.training.loop import BEST_FILE
from unmask_trainer.training.records import EpochRecord
from unmask_trainer.training.states import STATE_FILE

log = logging.getLogger(__name__)

TRAINED_FILE: Final = "trained.json"
_POSITION_FILE: Final = "position.json"


class Position(NamedTuple):
    """How far a run's state is; a later one is greater."""

    trained: bool
    epochs: int
    batches: int


def known_epochs(folder: Path) -> tuple[EpochRecord, ...]:
    """All epochs that the state in a run's folder knows of."""
    return tuple(record for stage in _stages(folder) for record in _epochs_of(stage)[0])


def position_of(folder: Path) -> Position:
    """How far the state in a run's folder is."""
    found = [_epochs_of(stage) for stage in _stages(folder)]
    return Position(
        (folder / TRAINED_FILE).exists(),
        sum(len(epochs) for epochs, _ in found),
        found[-1][1] if found else 0,
    )


class RunStates:
    """Keeps the state of one run in the object store, in the background."""

    def __init__(self, store: ObjectStore, run_id: str, folder: Path) -> None:
        """Keep nothing yet.

        Args:
            store: Receives the states.
            run_id: The run.
            folder: Of the run; a state in it is replaced as a whole.
        """
        self._stored = StoredFolder(store, states_prefix(run_id))
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="states")
        self._sending: Future[None] | None = None

    def restore(self) -> None:
        """Bring the folder to the stored state, if that is further than what is in the folder."""
        try:
            manifest = self._stored.manifest()
            if manifest is None:
                return
            stored = Position(*json.loads(self._stored.read(_POSITION_FILE)))
            here = position_of(self._folder)
            if here >= stored:
                return
            log.info("going on from the stored state: %s instead of %s", stored, here)
            fresh = self._folder.with_name(f"{self._folder.name}.restored")
            shutil.rmtree(fresh, ignore_errors=True)
            self._stored.fetch(manifest, fresh)
        except (DamagedFolder, ObjectNotFound) as error:
            log.warning("the stored state cannot be used: %s", error.detail)
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        fresh.rename(self._folder)

    def keep(self, *, wait: bool = False) -> None:
        """Store what the folder holds now.

        The files are linked, which takes no time, and sent in the background: none of them is ever
        written to again. While the state before is still being sent, this one is passed over.

        Args:
            wait: Send it now, after what is still being sent.
        """
        if self._sending is not None:
            if not wait and not self._sending.done():
                return
            self._sending.result()
        snapshot = self._folder / SNAPSHOT_FOLDER
        shutil.rmtree(snapshot, ignore_errors=True)
        for path in _state_files(self._folder):
            target = snapshot / path.relative_to(self._folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
        if not snapshot.exists():
            return
        with replacing(snapshot / _POSITION_FILE) as partial:
            partial.write_text(json.dumps(position_of(snapshot)))
        self._sending = self._pool.submit(self._send, snapshot)
        if wait:
            self._sending.result()

    def close(self) -> None:
        """Wait until nothing is being sent any more."""
        self._pool.shutdown()

    def _send(self, snapshot: Path) -> None:
        files = {
            path.relative_to(snapshot).as_posix(): path
            for path in sorted(snapshot.rglob("*"))
            if path.is_file()
        }
        try:
            self._stored.upload(files, describe(files))
        except ObjectStoreUnavailable as error:
            # The run goes on; its next state takes the place of this one.
            log.warning("a state could not be stored: %s", error.detail)
        finally:
            shutil.rmtree(snapshot, ignore_errors=True)


def _state_files(folder: Path) -> Iterator[Path]:
    for name in (RUN_FILE, INITIAL_FILE, HISTORY_FILE, TRAINED_FILE):
        if (folder / name).is_file():
            yield folder / name
    for stage in _stages(folder):
        done = (stage / DONE_FILE).exists()
        for name in (WEIGHTS_FILE, DONE_FILE) if done else (BEST_FILE, STATE_FILE):
            if (stage / name).is_file():
                yield stage / name
    if (folder / TRAINED_FILE).exists():
        yield from (path for path in (folder / CHECKPOINT_FOLDER).rglob("*") if path.is_file())


def _stages(folder: Path) -> list[Path]:
    found = (path for path in (folder / STAGES_FOLDER).glob("*-*") if path.is_dir())
    return sorted(found, key=lambda path: int(path.name.partition("-")[0]))


def _epochs_of(stage: Path) -> tuple[list[EpochRecord], int]:
    """The epochs of a stage that are done, and the batches of the one after them."""
    if (stage / DONE_FILE).exists():
        documents = json.loads((stage / DONE_FILE).read_text(encoding="utf-8"))
        return [EpochRecord.of(document) for document in documents], 0
    if not (stage / STATE_FILE).exists():
        return [], 0
    # Mapped: only the few numbers of the progress are read, not the weights.
    progress = torch.load(stage / STATE_FILE, weights_only=True, mmap=True)["progress"]
    return [EpochRecord.of(document) for document in progress["history"]], int(progress["batch"])
