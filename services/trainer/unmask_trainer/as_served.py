"""Measures a checkpoint on labelled videos as it is served."""

from pathlib import Path

from unmask_shared.model.card import Evaluation, ModelCard
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_trainer.data_sets import load_faces
from unmask_trainer.evaluation.inputs import vision_settings
from unmask_trainer.evaluation.scoring import ScoredVideo, evaluate, score_videos


def measure(
    checkpoint: Path, data: Path, *, split: str, note: str, workers: int
) -> tuple[list[ScoredVideo], tuple[Evaluation, Evaluation], ModelCard]:
    """Evaluate a finished checkpoint, with its own thresholds, on a folder of labelled videos.

    Args:
        checkpoint: A checkpoint's folder.
        data: Folder with `real/` and `fake/`.
        split: What to call the set.
        note: What a reader has to know about it.
        workers: Processes that extract faces.

    Raises:
        InvalidCheckpoint: When the checkpoint cannot be loaded.
        InvalidInput: When the folder lacks a class.
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
