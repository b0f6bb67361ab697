"""Takes a run's checkpoint to where it is served from, with measurements on further videos."""

import shutil
from pathlib import Path

from unmask_shared.model.card import CardDraft, Evaluation, ModelCard
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.evaluation.scoring import ScoredVideo, evaluate, score_videos
from unmask_trainer.experiment import Description, load_faces


def vision_settings(card: ModelCard) -> VisionSettings:
    """The face pipeline's settings that a checkpoint was trained with."""
    return VisionSettings(
        face_mode=card.face_mode,
        crop_size=card.input_size,
        crop_margin=card.crop_margin,
        clip_length=card.clip_length,
    )


def measure(
    checkpoint: Path, data: Path, *, split: str, note: str, workers: int
) -> tuple[list[ScoredVideo], tuple[Evaluation, Evaluation], ModelCard]:
    """Evaluate a published checkpoint, with its own thresholds, on a folder of labelled videos.

    Args:
        checkpoint: A checkpoint's folder.
        data: Folder with `real/` and `fake/`.
        split: What to call the set.
        note: What a reader has to know about it.
        workers: Processes that extract faces.

    Raises:
        InvalidCheckpoint: When the checkpoint cannot be loaded.
        InvalidRequest: When the folder lacks a class.
    """
    loaded = load_checkpoint(checkpoint)
    faces = load_faces(data, vision_settings(loaded.card), workers=workers)
    scored = score_videos(ClipClassifier(loaded, best_device()), faces)
    rows = evaluate(
        scored,
        split=split,
        temperature=loaded.card.temperature,
        thresholds=loaded.card.thresholds,
        note=note,
    )
    return scored, rows, loaded.card


def publish(
    source: Path,
    target: Path,
    *,
    further: tuple[Evaluation, ...] = (),
    description: Description | None = None,
) -> ModelCard:
    """Copy a checkpoint and its figures, and complete its card.

    Args:
        source: A run's checkpoint.
        target: Created when missing; an older checkpoint in it is replaced.
        further: Added to the card; rows of the same split are replaced.
        description: Takes the place of the words that the run began with.

    Raises:
        InvalidCheckpoint: When the source cannot be loaded.
    """
    loaded = load_checkpoint(source)
    named = {row.split for row in further}
    kept = tuple(row for row in loaded.card.evaluations if row.split not in named)
    for figure in loaded.card.figures:
        destination = target / figure
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.resolve() != (source / figure).resolve():
            shutil.copyfile(source / figure, destination)
    content = {name: getattr(loaded.card, name) for name in CardDraft.model_fields}
    content["evaluations"] = kept + further
    if description is not None:
        content |= {
            "name": description.name,
            "version": description.version,
            "licence": description.licence,
            "limits": description.limits,
            "training_data": loaded.card.training_data.model_copy(
                update={"description": description.data}
            ),
        }
    draft = CardDraft(**content)
    return save_checkpoint(target, model=loaded.model, draft=draft)
