"""The training loop."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import cos, inf, pi
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_trainer.datasets.clips import Batch, ClipDataset, UnitBatches, collate

BEST_FILE = "best.safetensors"
LAST_FILE = "last.safetensors"

_WARM_UP_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train.

    Attributes:
        epochs: Most epochs; the learning rate falls to nothing over them, along a cosine.
        batch_size: Clips in a batch; even, so that pairs stay together.
        learning_rate: Of Adam, at its highest.
        gradient_norm: Gradients are scaled down to this norm.
        patience: Epochs without a lower validation loss after which training stops.
        label_smoothing: Share of the target given to the other class.
        seed: Of weights, order and augmentation.
    """

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 5e-4
    gradient_norm: float = 5.0
    patience: int = 3
    label_smoothing: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """How one epoch went; losses are mean cross-entropies in nats."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


class EarlyStopping:
    """Remembers the lowest loss and tells when it has been too long since."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._lowest = inf
        self._since = 0

    def improves(self, loss: float) -> bool:
        """Take note of an epoch's loss; whether it is the lowest so far. NaN never is."""
        if loss < self._lowest:
            self._lowest, self._since = loss, 0
            return True
        self._since += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether `patience` epochs in a row brought nothing."""
        return self._since >= self._patience


def train(
    model: ResNetLSTM,
    train_clips: ClipDataset,
    val_clips: ClipDataset,
    settings: TrainingSettings,
    *,
    device: torch.device,
    out: Path,
) -> tuple[EpochRecord, ...]:
    """Fit a model; at the end it carries the weights of the best epoch.

    `out` receives `best.safetensors` and `last.safetensors` after each epoch.

    Args:
        model: Changed in place.
        train_clips: Augmented clips.
        val_clips: Clips of other people, as they are.
        settings: How to train.
        device: Where to train.
        out: An existing folder.

    Returns:
        One record for each epoch that was run.
    """
    torch.manual_seed(settings.seed)
    model.to(device)
    batches = UnitBatches(
        train_clips, batch_size=settings.batch_size, seed=settings.seed, shuffled=True
    )
    train_loader = DataLoader(train_clips, batch_sampler=batches, collate_fn=collate)
    val_order = UnitBatches(val_clips, batch_size=settings.batch_size, seed=0, shuffled=False)
    val_loader = DataLoader(val_clips, batch_sampler=val_order, collate_fn=collate)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = warm_up_then_cosine(optimizer, settings.epochs * len(batches))
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    stopping = EarlyStopping(settings.patience)
    history: list[EpochRecord] = []

    def step(loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_norm)
        optimizer.step()
        schedule.step()

    for epoch in range(1, settings.epochs + 1):
        started = time.monotonic()
        train_clips.set_epoch(epoch)
        batches.set_epoch(epoch)
        model.train()
        progress = tqdm(train_loader, desc=f"epoch {epoch}", unit="batch", leave=False)
        train_loss, train_accuracy = _run_epoch(model, progress, loss_of, device, step)
        model.eval()
        val_loss, val_accuracy = _run_epoch(model, val_loader, nn.CrossEntropyLoss(), device)
        record = EpochRecord(
            epoch=epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=time.monotonic() - started,
        )
        history.append(record)
        tqdm.write("  ".join(f"{name} {value:.4g}" for name, value in asdict(record).items()))
        safetensors.torch.save_model(model, str(out / LAST_FILE))
        if stopping.improves(val_loss):
            safetensors.torch.save_model(model, str(out / BEST_FILE))
        if stopping.exhausted:
            break
    safetensors.torch.load_model(model, str(out / BEST_FILE), device=str(device))
    return tuple(history)


def _run_epoch(
    model: ResNetLSTM,
    batches: Iterable[Batch],
    loss_of: nn.Module,
    device: torch.device,
    step: Callable[[Tensor], None] | None = None,
) -> tuple[float, float]:
    """Mean loss and accuracy over all clips; learns when there is a step to take."""
    total_loss, right, clips = 0.0, 0, 0
    with torch.set_grad_enabled(step is not None):
        for frames, lengths, on_cpu in batches:
            labels = on_cpu.to(device)
            logits = model(frames.to(device), lengths)
            loss = loss_of(logits, labels)
            if step is not None:
                step(loss)
            total_loss += float(loss.detach()) * len(labels)
            right += int((logits.argmax(dim=1) == labels).sum())
            clips += len(labels)
    return total_loss / clips, right / clips


def warm_up_then_cosine(optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """A learning rate that rises over the first twentieth of the steps, then falls to nothing."""
    warm_up = max(1, round(steps * _WARM_UP_SHARE))

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + cos(pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))

    return LambdaLR(optimizer, factor)
