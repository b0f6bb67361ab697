"""Where the main face of a short video lies in every frame."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import dlib
import numpy as np
from numpy.typing import NDArray

from unmask_shared.errors import UnmaskError
from unmask_shared.vision.align import squares_of
from unmask_shared.vision.landmarks import model_file
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_trainer.forgeries.geometry import Points

Frame = NDArray[np.uint8]

_LONGEST_SILENCE: Final = 0.25
# dlib's boxes begin at the brows: against the square from the hairline to the chin, their centre
# lies lower by this share of its side.
_BOX_LOWER: Final = 0.11


class NoSteadyFace(UnmaskError):
    """The most prominent face cannot be followed through the take."""

    code = "no_steady_face"
    title = "No face can be followed through the take"


def follow_face(video: Path, frames: int) -> Points:
    """Landmarks of the most prominent face in every frame of a short video.

    Args:
        video: The file.
        frames: Number of its frames.

    Returns:
        (frames, 5, 2) in pixels; short gaps are interpolated.

    Raises:
        UnmaskError: When the file cannot be decoded, or the face is missing too often.
    """
    settings = VisionSettings(sampling="all", clip_length=min(frames, 256), detection_side=320)
    tracks = extract_faces(video, settings).tracks
    if not tracks:
        raise NoSteadyFace(f"no face in {video.name}")
    seen = np.array([frame.frame for frame in tracks[0].frames])
    edges = np.concatenate([[-1], seen, [frames]])
    if np.diff(edges).max() > 1 + _LONGEST_SILENCE * frames:
        raise NoSteadyFace(f"the face is seen in only {len(seen)} of {frames} frames")
    known: NDArray[np.float64] = np.array(
        [frame.landmarks for frame in tracks[0].frames], np.float64
    ).reshape(len(seen), 10)
    steps = np.arange(frames)
    filled = [np.interp(steps, seen, column) for column in known.T]
    return np.stack(filled, axis=1).reshape(frames, 5, 2)


def find_68_points(frames: list[Frame], landmarks: Points) -> Points:
    """Dlib's 68 landmarks of faces whose five landmarks are known.

    The model was trained on the iBUG 300-W pictures, whose licence excludes commercial use: this is
    called only where the user asked for it.

    Args:
        frames: RGB (H, W, 3) uint8.
        landmarks: (T, 5, 2) in pixels.

    Returns:
        (T, 68, 2) in pixels.
    """
    centers, sides = squares_of(landmarks)
    found = []
    for frame, (x, y), side in zip(frames, centers, sides, strict=True):
        half, lower = side / 2, y + _BOX_LOWER * side
        edges = (x - half, lower - half, x + half, lower + half)
        square = dlib.rectangle(*(round(float(edge)) for edge in edges))
        parts = _predictor()(np.ascontiguousarray(frame), square).parts()
        found.append([(point.x, point.y) for point in parts])
    return np.array(found, np.float64)


@cache
def _predictor() -> Any:
    return dlib.shape_predictor(str(model_file("shape_predictor_68_face_landmarks.dat")))
