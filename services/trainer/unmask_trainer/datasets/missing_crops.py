"""Tells when a prepared folder lacks the crops that are asked for, and why.

Crops are found by the settings that they were made with, so other settings find none: without a
word, a prepared folder would be extracted once more, for hours, or be found to show no face.
"""

from collections.abc import Sequence
from pathlib import Path

from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.crop_cache import CropCache
from unmask_trainer.datasets.errors import VideosGone
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.datasets.prepared import (
    FACES_FOLDER,
    Preparation,
    is_prepared,
    read_preparation,
)


def explain_missing_crops(
    folder: Path, videos: Sequence[LabelledVideo], settings: VisionSettings
) -> str | None:
    """Say that faces of a prepared folder have to be extracted anew.

    Args:
        folder: Of labelled videos, prepared or not.
        videos: Those of the folder that are asked for.
        settings: How their faces are to be extracted.

    Returns:
        One line; None when the folder was not prepared, or has the crops of all these videos.

    Raises:
        InvalidDataset: The folder was prepared, but its file is damaged.
        VideosGone: Crops are missing, and so is the folder of the videos.
    """
    if not is_prepared(folder):
        return None
    cache = CropCache(folder=folder / FACES_FOLDER, settings=settings)
    missing = sum(not (video.sha256 and cache.holds(video.sha256)) for video in videos)
    if not missing:
        return None
    preparation = read_preparation(folder)
    whose = "its faces" if missing == len(videos) else f"faces of {missing} of {len(videos)} videos"
    reason = _reason(folder, preparation, settings)
    if not preparation.root.is_dir():
        raise VideosGone(
            f"{reason}: {whose} would have to be extracted anew, but {preparation.root} is gone"
        )
    return f"{reason}: {whose} are extracted anew from {preparation.root}"


def _reason(folder: Path, preparation: Preparation, settings: VisionSettings) -> str:
    made = preparation.crop_size, preparation.crop_margin, preparation.clip_length
    asked = settings.crop_size, settings.crop_margin, settings.clip_length
    if settings.face_mode != "faces":
        return f"{folder} was prepared with crops of faces; this asks for whole pictures"
    if made == asked:
        return f"{folder} lacks crops as this version of Unmask makes them"
    with_length = preparation.clip_length != settings.clip_length
    return (
        f"{folder} was prepared with crops of {_crops(*made, with_length=with_length)}; this asks "
        f"for {_crops(*asked, with_length=with_length)}"
    )


def _crops(size: int, margin: float | None, clip_length: int, *, with_length: bool) -> str:
    shown = "margin not recorded" if margin is None else f"margin {margin:g}"
    return f"{size} px, {shown}" + (f", {clip_length} frames a clip" if with_length else "")
