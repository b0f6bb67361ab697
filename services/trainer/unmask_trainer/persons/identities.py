"""What the faces of videos and pictures say about who is shown, as points in dlib's face space."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.align import template
from unmask_shared.vision.landmarks import embed_identity, identity_chip
from unmask_shared.vision.pipeline import VisionSettings
from unmask_shared.vision.stills import frame_of
from unmask_trainer.datasets.crop_cache import CropCache, StoredFaces
from unmask_trainer.datasets.faces import extract_all, why_left_out
from unmask_trainer.statistics.survey import VideoFile

# Large and wide enough for dlib's chips, which show 3.4 distances between the eyes in 150 pixels;
# a frame of each of five moments.
_VISION: Final = VisionSettings(
    crop_size=208, crop_margin=0.35, clip_length=1, min_clips=5, max_clips=5
)


@dataclass(frozen=True, kw_only=True)
class Identified:
    """The most prominent person of a file.

    Attributes:
        file: The video or picture.
        identity: `(128,)`, the mean over a few frames; faces of one person are close.
        crop: `(208, 208, 3)` uint8 RGB, one of them.
    """

    file: VideoFile
    identity: NDArray[np.float64]
    crop: NDArray[np.uint8]


def identify(
    files: Sequence[VideoFile], *, workers: int, on_file: Callable[[VideoFile, str | None], None]
) -> list[Identified]:
    """Describe who is shown in each file.

    Args:
        files: Videos and pictures.
        workers: Processes that search faces.
        on_file: Called for each file with the reason if it is left out, else None.

    Returns:
        Those that show a face, in the given order.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="unmask-persons-") as folder:
        cache = CropCache(folder=Path(folder), settings=_VISION)
        stored = extract_all(cache, [(file.path, None) for file in files], workers=workers)
        for file, faces in zip(files, stored, strict=True):
            if faces.clips:
                found.append(_identified(file, cache, faces))
            on_file(file, why_left_out(faces))
    return found


def _identified(file: VideoFile, cache: CropCache, faces: StoredFaces) -> Identified:
    crops: NDArray[np.uint8] = np.load(cache.crops_path(faces.key))
    points = template(_VISION.crop_size, _VISION.crop_margin)
    # Aligned crops have the landmarks of the template, as far as a similarity can bring them there.
    identities = [embed_identity(identity_chip(frame_of(crop).picture, points)) for crop in crops]
    return Identified(file=file, identity=np.mean(identities, axis=0), crop=crops[len(crops) // 2])
