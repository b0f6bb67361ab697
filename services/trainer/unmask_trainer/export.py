"""Takes a run's checkpoint to another folder, and completes what its card says."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.card import CardDraft, Evaluation, ModelCard
from unmask_shared.model.checkpoint import load_card, load_checkpoint, save_checkpoint
from unmask_trainer.datasets.splits import Split
from unmask_trainer.description import Description

# The same weights gave these answers to the same videos, whatever the set is called.
_ANSWERS: Final = frozenset(
    {"level", "real", "fake", "accuracy", "auc", "decided_share", "decided_accuracy"}
    | {"true_real", "false_fake", "false_real", "true_fake"}
)


def export_checkpoint(
    source: Path,
    target: Path,
    *,
    further: tuple[Evaluation, ...] = (),
    figures: Mapping[str, Path] | None = None,
    description: Description | None = None,
) -> ModelCard:
    """Copy a checkpoint and its figures, and complete its card.

    Args:
        source: A run's checkpoint.
        target: Created when missing; an older checkpoint in it is replaced, with the pictures that
            only its card names.
        further: Added to the card; rows of the same split are replaced, and what training wrote
            about the very same test is not said twice.
        figures: More pictures, by the names that the card is to give them.
        description: Takes the place of the words that the run began with.

    Raises:
        InvalidCheckpoint: When the source cannot be loaded.
    """
    loaded = load_checkpoint(source)
    evaluations = _without_twins(loaded.card.evaluations, further)
    pictures = {name: source / name for name in loaded.card.figures} | dict(figures or {})
    replaced = _pictures_in(target) - {target / name for name in pictures}
    for name, path in pictures.items():
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.resolve() != path.resolve():
            shutil.copyfile(path, destination)
    content = {name: getattr(loaded.card, name) for name in CardDraft.model_fields}
    content["evaluations"] = evaluations
    content["figures"] = tuple(pictures)
    if description is not None:
        content |= description.card_fields() | {
            "training_data": loaded.card.training_data.model_copy(
                update={"description": description.data}
            ),
        }
    card = save_checkpoint(target, model=loaded.model, draft=CardDraft(**content))
    for path in replaced:
        path.unlink(missing_ok=True)
    return card


def _pictures_in(folder: Path) -> set[Path]:
    """The pictures in a folder that the card in it names; none where there is no valid card."""
    try:
        named = load_card(folder).figures
    except InvalidCheckpoint:
        return set()
    paths = {folder / name for name in named}
    return {path for path in paths if path.resolve().is_relative_to(folder.resolve())}


def _without_twins(
    rows: tuple[Evaluation, ...], further: tuple[Evaluation, ...]
) -> tuple[Evaluation, ...]:
    """All rows; one of training's test that is measured again keeps its name, by which it is known.

    An evaluation calls the set as its metadata does, and knows intervals that older cards lack.
    """
    named = {row.split for row in further}
    twins: list[Evaluation] = []
    kept: list[Evaluation] = []
    for row in rows:
        if twin := _twin_of(row, further):
            twins.append(twin)
            kept.append(twin.model_copy(update={"split": row.split, "note": row.note}))
        elif row.split not in named:
            kept.append(row)
    return (*kept, *(row for row in further if row not in twins))


def _twin_of(row: Evaluation, further: tuple[Evaluation, ...]) -> Evaluation | None:
    if row.split.partition(" ")[0] != Split.TEST:
        return None
    return next((other for other in further if _told_by(other) == _told_by(row)), None)


def _told_by(row: Evaluation) -> dict[str, Any]:
    return row.model_dump(include=set(_ANSWERS))
