"""Curves of a training run."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unmask_trainer.training.records import EpochRecord


def draw_curves(history: Sequence[EpochRecord], folder: Path) -> tuple[Path, ...]:
    """Draw `loss.png` and `accuracy.png`, each for training and validation over the epochs.

    Args:
        history: At least one epoch.
        folder: Created when missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    epochs = [record.epoch for record in history]
    return (
        _draw(
            folder / "loss.png",
            "Cross-entropy (nats)",
            epochs,
            [record.train_loss for record in history],
            [record.val_loss for record in history],
        ),
        _draw(
            folder / "accuracy.png",
            "Accuracy of clips",
            epochs,
            [record.train_accuracy for record in history],
            [record.val_accuracy for record in history],
        ),
    )


def _draw(
    path: Path,
    title: str,
    epochs: Sequence[int],
    training: Sequence[float],
    validation: Sequence[float],
) -> Path:
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(epochs, training, marker="o", label="training (augmented)")
    axes.plot(epochs, validation, marker="o", label="validation (other people)")
    axes.set_xlabel("Epoch")
    axes.set_ylabel(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    # Without the software's version the file stays the same from one release to the next.
    figure.savefig(path, metadata={"Software": None})
    return path
