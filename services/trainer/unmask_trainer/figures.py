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
        history: At least one epoch; those of later stages follow those of earlier ones.
        folder: Created when missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return (
        _draw(
            folder / "loss.png",
            "Cross-entropy (nats)",
            history,
            [record.train_loss for record in history],
            [record.val_loss for record in history],
        ),
        _draw(
            folder / "accuracy.png",
            "Accuracy of clips",
            history,
            [record.train_accuracy for record in history],
            [record.val_accuracy for record in history],
        ),
    )


def _draw(
    path: Path,
    title: str,
    history: Sequence[EpochRecord],
    training: Sequence[float],
    validation: Sequence[float],
) -> Path:
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(1, len(history) + 1)
    for stage in dict.fromkeys(record.stage for record in history):
        # Stages ask different questions of different clips: no line leads from one to the next.
        mine = [i for i, record in enumerate(history) if record.stage == stage]
        at = [places[i] for i in mine]
        axes.plot(at, [training[i] for i in mine], "o-", color="C0")
        axes.plot(at, [validation[i] for i in mine], "o-", color="C1")
        if mine[0]:
            axes.axvline(at[0] - 0.5, color="0.6", linestyle=":")
        axes.annotate(stage, (at[0] - 0.45, 1.02), xycoords=("data", "axes fraction"), size="small")
    axes.plot([], "o-", color="C0", label="training (augmented)")
    axes.plot([], "o-", color="C1", label="validation (other people)")
    axes.set_xlim(0.5, len(history) + 0.5)
    axes.set_xlabel("Epoch")
    axes.set_ylabel(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    # Below: with few epochs there is no corner without a point.
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    # Without the software's version the file stays the same from one release to the next.
    figure.savefig(path, metadata={"Software": None})
    return path
