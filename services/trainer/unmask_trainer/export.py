"""Takes a run's checkpoint to another folder, and completes what its card says."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from unmask_shared.model.card import CardDraft, Evaluation, ModelCard
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_trainer.description import Description


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
        target: Created when missing; an older checkpoint in it is replaced.
        further: Added to the card; rows of the same split are replaced.
        figures: More pictures, by the names that the card is to give them.
        description: Takes the place of the words that the run began with.

    Raises:
        InvalidCheckpoint: When the source cannot be loaded.
    """
    loaded = load_checkpoint(source)
    named = {row.split for row in further}
    kept = tuple(row for row in loaded.card.evaluations if row.split not in named)
    pictures = {name: source / name for name in loaded.card.figures} | dict(figures or {})
    for name, path in pictures.items():
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.resolve() != path.resolve():
            shutil.copyfile(path, destination)
    content = {name: getattr(loaded.card, name) for name in CardDraft.model_fields}
    content["evaluations"] = kept + further
    content["figures"] = tuple(pictures)
    if description is not None:
        content |= description.card_fields() | {
            "training_data": loaded.card.training_data.model_copy(
                update={"description": description.data}
            ),
        }
    draft = CardDraft(**content)
    return save_checkpoint(target, model=loaded.model, draft=draft)
