"""What a finished evaluation adds to the card of the checkpoint that it measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import ValidationError

from unmask_shared.model.card import Evaluation, ModelCard
from unmask_trainer.evaluation.appearance import COLUMN
from unmask_trainer.evaluation.card_rows import card_row
from unmask_trainer.evaluation.document import (
    FIGURES_FOLDER,
    METRICS_FILE,
    DatasetInfo,
    EvaluationDocument,
    HeatmapExample,
    Level,
)
from unmask_trainer.evaluation.errors import InvalidEvaluation

CARD_FOLDER: Final = "figures/evaluation"
"""Where the figures of evaluations lie in a checkpoint, apart from those of its training."""

_LEVELS: Final[tuple[Level, ...]] = ("clip", "video")
_GROUPS: Final = {
    COLUMN: "Sorted by the lightness of the cheeks in the picture, in which light and camera are, "
    "too: nobody labelled the people."
}


@dataclass(frozen=True, kw_only=True)
class CardAdditions:
    """Rows and figures for a card.

    Attributes:
        rows: One for the clips and one for the videos of each data set, then one for the videos of
            each group that was compared.
        figures: Where they are now, by the names that the card is to give them.
    """

    rows: tuple[Evaluation, ...] = ()
    figures: Mapping[str, Path] = field(default_factory=dict)


def read_additions(folder: Path, card: ModelCard) -> CardAdditions:
    """Read what `evaluate --out` wrote.

    Args:
        folder: Holds `metrics.json` and the figures.
        card: Of the checkpoint that was measured.

    Raises:
        InvalidEvaluation: There is no evaluation, it measured something else, or a picture that it
            names is missing.
    """
    document = _read(folder / METRICS_FILE)
    measured = document.checkpoint
    if (measured.weights_sha256, measured.temperature, measured.thresholds) != (
        card.weights_sha256,
        card.temperature,
        card.thresholds,
    ):
        raise InvalidEvaluation(
            f"{folder} measured {measured.name} {measured.version} with the weights "
            f"{measured.weights_sha256[:12]}; this is {card.name} {card.version} with "
            f"{card.weights_sha256[:12]}, or its temperature or thresholds are others. Evaluate "
            "this checkpoint"
        )
    notes = {
        name: _note(info) for info in document.datasets for name in (info.name, *info.parts_of)
    }
    pictures = sorted((folder / FIGURES_FOLDER).glob("*.png"))
    figures = {f"{CARD_FOLDER}/{path.name}": path for path in pictures}
    for example in document.heatmaps:
        figures[f"{CARD_FOLDER}/{_telling_name(example)}"] = folder / example.picture
    if missing := [str(path) for path in figures.values() if not path.is_file()]:
        raise InvalidEvaluation(f"{folder} lacks {', '.join(missing)}. Evaluate again")
    sets = ", ".join(info.name for info in document.datasets)
    return CardAdditions(
        rows=tuple(
            card_row(part.summary, split=part.name, level=level, note=notes.get(part.name, ""))
            for level in _LEVELS
            for part in document.slices
            if (part.kind, part.level) == ("dataset", level) and part.summary.rows
        )
        + tuple(
            card_row(
                group.summary,
                split=f"{compared.column}: {group.name}",
                level=group.level,
                note=f"Videos of {sets}. {_GROUPS.get(compared.column, '')}".strip(),
            )
            for compared in document.breakdowns
            for group in compared.groups
        ),
        figures=figures,
    )


def _read(path: Path) -> EvaluationDocument:
    try:
        return EvaluationDocument.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidEvaluation(
            f"{path} cannot be read ({error.strerror}); give the folder that evaluate --out wrote"
        ) from error
    except ValidationError as error:
        raise InvalidEvaluation(
            f"{path} is not an evaluation that this version of Unmask reads: "
            f"{error.error_count()} problems, the first: {error.errors()[0]['msg']}"
        ) from error


def _telling_name(example: HeatmapExample) -> str:
    """A picture on a card stands alone: its name says what is seen, and what it was taken for."""
    picture = PurePosixPath(example.picture)
    method = example.method.partition(".")[0]
    what = f"{example.label}-{method}" if method else example.label
    return str(picture.with_stem(f"{picture.stem}-{what}-judged-{example.verdict}"))


def _note(info: DatasetInfo) -> str:
    parts = f"Parts: {', '.join(info.splits)}." if info.splits else ""
    return f"{parts} {info.caution}".strip()
