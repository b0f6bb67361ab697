"""Tells how a run goes: to the worker by a file, to the store by its states."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from unmask_trainer.service.documents import Phase, TrainingProgress
from unmask_trainer.service.exchange import PROGRESS_FILE, Orders, Told, write_file
from unmask_trainer.service.states import RunStates, known_epochs
from unmask_trainer.stages import DONE_FILE, STAGES_FOLDER
from unmask_trainer.training.errors import RunPaused
from unmask_trainer.training.records import EpochRecord
from unmask_trainer.training.settings import Stage

_EVERY_S: Final = 1.0
# Shares of the progress: what comes before and after the epochs is short.
_TRAINING_FROM, _TRAINING_TO = 0.05, 0.9
_PUBLISHING_FROM: Final = 0.97


class Reporter:
    """A watcher of training that also knows the phases before and after."""

    def __init__(
        self,
        folder: Path,
        stages: Sequence[Stage],
        orders: Orders,
        states: RunStates,
        *,
        fraction: float,
    ) -> None:
        """Report nothing yet.

        Args:
            folder: Of the run.
            stages: What is trained.
            orders: Are obeyed between batches.
            states: Kept at the end of each epoch.
            fraction: How far the run was before, so that its progress never goes back.
        """
        self._folder = folder
        self._planned = [stage.epochs for stage in stages]
        self._orders = orders
        self._states = states
        self._fraction = fraction
        self._epochs: tuple[EpochRecord, ...] = ()
        self._told_at = 0.0

    def begin(self, phase: Phase) -> None:
        """Tell that a phase begins, then go on if nothing else was ordered.

        In this order: a worker that cancels looks which phase it is after it has told so.

        Raises:
            Told: Something else was ordered.
        """
        self._epochs = known_epochs(self._folder)
        starts = {Phase.TRAINING: _TRAINING_FROM, Phase.PUBLISHING: _PUBLISHING_FROM}
        self._tell(phase, starts.get(phase, 0.0))
        self._orders.obey()

    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None:
        """Tell it now and then, and obey orders."""
        self._stop_if_told()
        if time.monotonic() - self._told_at > _EVERY_S:
            self._tell(Phase.TRAINING, self._trained(epoch - 1 + batch / batches))

    def on_epoch(self, record: EpochRecord) -> None:
        """Tell it, and keep the state."""
        self._epochs += (record,)
        self._tell(Phase.TRAINING, self._trained(record.epoch))
        self._states.keep()
        self._stop_if_told()

    def _stop_if_told(self) -> None:
        try:
            self._orders.obey()
        except Told as told:
            raise RunPaused from told

    def _trained(self, epochs: float) -> float:
        """The share of the whole, after so many epochs of the stage that is trained now."""
        done = len(list(self._folder.glob(f"{STAGES_FOLDER}/*/{DONE_FILE}")))
        epochs += sum(self._planned[:done])
        share = min(1.0, epochs / sum(self._planned))
        return _TRAINING_FROM + (_TRAINING_TO - _TRAINING_FROM) * share

    def _tell(self, phase: Phase, fraction: float) -> None:
        self._fraction = max(self._fraction, fraction)
        self._told_at = time.monotonic()
        progress = TrainingProgress(
            phase=phase,
            fraction=self._fraction,
            epochs=tuple(record.document() for record in self._epochs),
            updated_at=datetime.now(UTC),
        )
        write_file(self._folder / PROGRESS_FILE, progress)
