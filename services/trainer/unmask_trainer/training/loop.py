"""The training loop of a stage, on any number of processes; it can be interrupted at any time.

Every draw follows from seeds (see `plan`), and so does dropout, whose generator is set anew in
each step: an interrupted run that goes on gives the curve of one that was never interrupted.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.evaluation.decisions import roc_auc
from unmask_trainer.training.errors import RunPaused, TrainingDiverged
from unmask_trainer.training.objectives import Answer, Objective
from unmask_trainer.training.optimisation import Descent, EarlyStopping
from unmask_trainer.training.records import EpochRecord
from unmask_trainer.training.samples import Batch
from unmask_trainer.training.states import Progress, gathered, load_state, save_state, total

BEST_FILE: Final = "best.pt"
_LOGGED_EVERY: Final = 20
# Batches between two looks at the clock, on which all processes have to agree.
_TIMED_EVERY: Final = 10


class Watcher(Protocol):
    """Is told how a stage goes. Either method may raise, which ends the run; it can be resumed.

    `RunPaused` after a batch has that batch saved before, in a run of one process.
    """

    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None:
        """A batch of an epoch is done."""
        ...

    def on_epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""
        ...


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Where a stage's batches come from.

    Attributes:
        train: The batches of an epoch for this process, from the given one on.
        batches: Number of batches of each epoch, by its number.
        val: The validation batches for this process.
        dataset_of: Name of the data set of each unit of validation, by position.
    """

    train: Callable[[int, int], Iterator[Batch]]
    batches: Callable[[int], int]
    val: Callable[[], Iterator[Batch]]
    dataset_of: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a stage is trained.

    Attributes:
        name: Of the stage.
        folder: An existing folder for its states.
        epochs: Most epochs.
        patience: Epochs without a better value after which training stops.
        monitor: What has to get better on the validation people.
        gradient_norm: Gradients are scaled down to this norm.
        seed: Of dropout.
        save_every_s: Seconds between two saves within an epoch.
    """

    name: str
    folder: Path
    epochs: int
    patience: int
    monitor: Literal["loss", "auc"]
    gradient_norm: float
    seed: int
    save_every_s: float


def fit(
    fabric: Fabric,
    objective: Objective,
    descent: Descent,
    feed: Feed,
    settings: FitSettings,
    *,
    watcher: Watcher,
) -> list[EpochRecord]:
    """Train; at the end the objective carries the weights of its best epoch.

    `settings.folder` receives `last.ckpt`, from which a later call goes on, and `best.pt`.

    Args:
        fabric: Launched.
        objective: Not yet set up.
        descent: Its optimiser.
        feed: Its data.
        settings: How to train.
        watcher: Is told how it goes.

    Returns:
        One record for each epoch, also those before an interruption.
    """
    progress = Progress(stopping=EarlyStopping(patience=settings.patience))
    objective.to(fabric.device)
    load_state(fabric, settings.folder, objective, descent, progress)
    training = _Training(fabric, objective, descent, feed, settings)
    best = settings.folder / BEST_FILE
    while progress.epoch <= settings.epochs and not progress.stopping.exhausted:
        record = training.epoch(progress, watcher)
        progress.history.append(record)
        value = record.val_loss if settings.monitor == "loss" else -(record.val_auc or 0.0)
        if progress.stopping.improves(value) and fabric.is_global_zero:
            with replacing(best) as partial:
                torch.save(objective.state_dict(), partial)
        progress.begin_next_epoch()
        save_state(fabric, settings.folder, objective, descent, progress)
        watcher.on_epoch(record)
    if not best.exists():
        raise TrainingDiverged(
            f"the loss of stage {settings.name} was never a number: lower the learning rate"
        )
    objective.load_state_dict(torch.load(best, map_location=fabric.device, weights_only=True))
    return progress.history


class _Training:
    """The parts of a stage, bound together."""

    def __init__(
        self,
        fabric: Fabric,
        objective: Objective,
        descent: Descent,
        feed: Feed,
        settings: FitSettings,
    ) -> None:
        self._fabric, self._objective = fabric, objective
        self._descent, self._feed, self._settings = descent, feed, settings
        self._wrapped, self._optimiser = fabric.setup(objective, descent.optimiser)
        self._name, self._folder = settings.name, settings.folder

    def epoch(self, progress: Progress, watcher: Watcher) -> EpochRecord:
        """Train an epoch, or the rest of it, and validate."""
        batches = self._feed.batches(progress.epoch)
        self._train_mode()
        started = mark = time.monotonic()
        before = progress.seconds
        feed = self._feed.train(progress.epoch, progress.batch)
        while True:
            asked = time.monotonic()
            batch = next(feed, None)
            progress.waited += time.monotonic() - asked
            if batch is None:
                break
            self._step(_on_device(batch, self._fabric.device), progress)
            progress.seconds = before + time.monotonic() - started
            try:
                watcher.on_batch(epoch=progress.epoch, batch=progress.batch, batches=batches)
            except RunPaused:
                if self._fabric.world_size == 1:
                    self._save(progress)
                raise
            if progress.batch % _TIMED_EVERY == 0 and self._save_is_due(mark):
                self._save(progress)
                mark = time.monotonic()
        trained_for = progress.seconds
        loss, accuracy, clips = self._means(progress.sums)
        validation = self._validate()
        waited = progress.waited / trained_for if trained_for else 0.0
        record = EpochRecord(
            stage=self._name,
            epoch=progress.epoch,
            train_loss=loss,
            train_accuracy=accuracy,
            learning_rate=max(group["lr"] for group in self._optimiser.param_groups),
            seconds=before + time.monotonic() - started,
            waited=waited,
            clips_per_second=clips / trained_for if trained_for else 0.0,
            **validation,
        )
        self._log({f"{self._name}/{key}": value for key, value in _scalars(record)}, progress.step)
        for logger in self._fabric.loggers:
            # Written out: who looks at the curves wants to see this epoch, too.
            logger.save()
        return record

    def _save(self, progress: Progress) -> None:
        save_state(self._fabric, self._folder, self._objective, self._descent, progress)

    def _save_is_due(self, mark: float) -> bool:
        since = time.monotonic() - mark
        due: bool = self._fabric.broadcast(since > self._settings.save_every_s)
        return due

    def _train_mode(self) -> None:
        self._wrapped.train()
        trunk = self._objective.trunk()
        if not any(parameter.requires_grad for parameter in trunk.parameters()):
            # A frozen trunk keeps its statistics, too.
            trunk.eval()

    def _step(self, batch: Batch, progress: Progress) -> None:
        torch.manual_seed(self._settings.seed * 1_000_003 + progress.step)
        answer: Answer = self._wrapped(batch)
        self._optimiser.zero_grad(set_to_none=True)
        self._fabric.backward(answer.loss)
        norm = self._settings.gradient_norm
        self._fabric.clip_gradients(
            self._wrapped, self._optimiser, max_norm=norm, error_if_nonfinite=False
        )
        self._optimiser.step()
        self._descent.schedule.step()
        sums = _sums(answer, batch.labels)
        progress.sums = progress.sums.to(sums.device) + sums
        progress.batch += 1
        progress.step += 1
        if progress.step % _LOGGED_EVERY == 0:
            rate = float(self._descent.schedule.get_last_lr()[0])
            loss = float(answer.loss.detach())
            self._log({f"{self._name}/loss": loss, f"{self._name}/rate": rate}, progress.step)

    def _means(self, sums: Tensor) -> tuple[float, float, float]:
        """Mean loss, accuracy and number of clips over all processes."""
        loss, right, clips = (float(value) for value in total(self._fabric, sums))
        return loss / max(1.0, clips), right / max(1.0, clips), clips

    @torch.no_grad()
    def _validate(self) -> dict[str, Any]:
        self._wrapped.eval()
        answers = []
        for batch in self._feed.val():
            answer = self._wrapped(_on_device(batch, self._fabric.device))
            answers.append(
                torch.stack(
                    [
                        answer.losses.double().cpu(),
                        answer.scores.double().cpu(),
                        batch.labels.double(),
                        batch.units.double(),
                    ]
                )
            )
        mine = torch.cat(answers, dim=1) if answers else torch.zeros(4, 0, dtype=torch.float64)
        losses, scores, labels, units = gathered(self._fabric, mine)
        names = np.array(self._feed.dataset_of)[units.astype(np.int64)]
        return {
            "val_loss": float(losses.mean()) if len(losses) else float("nan"),
            "val_accuracy": float(((scores > 0) == (labels > 0)).mean()) if len(losses) else 0.0,
            "val_auc": roc_auc(labels, scores),
            "val_auc_of": {
                name: roc_auc(labels[names == name], scores[names == name])
                for name in sorted(set(names.tolist()))
            },
        }

    def _log(self, values: dict[str, float], step: int) -> None:
        self._fabric.log_dict(values, step)


def _sums(answer: Answer, labels: Tensor) -> Tensor:
    right = (answer.scores.detach() > 0) == (labels > 0)
    return torch.stack(
        [
            answer.losses.detach().double().sum(),
            right.double().sum(),
            torch.tensor(float(len(labels)), dtype=torch.float64, device=labels.device),
        ]
    )


def _on_device(batch: Batch, device: torch.device) -> Batch:
    """All but the lengths, which packing wants on the CPU."""
    moved = {
        name: value if name == "lengths" else value.to(device, non_blocking=True)
        for name, value in batch._asdict().items()
    }
    return Batch(**moved)


def _scalars(record: EpochRecord) -> Iterator[tuple[str, float]]:
    for name, value in record.document().items():
        if isinstance(value, float):
            yield name, value
    for name, value in record.val_auc_of.items():
        if value is not None:
            yield f"val_auc/{name}", value
