"""Whether a clip of a face shows enough of it to be judged: how large it is, and how sharp.

Crops all have one size, so a face that fills a few pixels of the video looks like any other: it is
enlarged, and what the network goes by was never there. The same holds for a face that is out of
focus. Such clips are not judged, rather than judged by chance.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from unmask_shared.artifacts import FaceFrame
from unmask_shared.videos import Reason

# Sharpness is measured at this size of the face, or at its own if that is less: so it depends
# neither on the size of the crops, nor on how far they were enlarged.
_MEASURED_SIDE: Final = 64
# Below this variance of the grey levels a crop shows nothing, however it is focused.
_FEATURELESS: Final = 1.0
# At 48 pixels a face has a fifth to a third of the pixels of its crop, a dozen blocks of a video
# codec, and about 18 pixels between the eyes.
_SMALLEST_FACE: Final = 48.0
# Below the lowest of 279 videos and portraits (0.023). A Gaussian blur whose deviation is 3 % of
# the face's side takes half of them below it, one of 5 % four fifths.
_LEAST_SHARPNESS: Final = 0.015
# Half a clip, or two of the shortest that are worth classifying.
_FEWEST_FRAMES: Final = 8
# What one frame in five shows stands for the rest; what one in ten shows is chance.
_LEAST_SHARE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """What a face has to show so that it is judged; 0 takes everything.

    Attributes:
        smallest_face: Least side of a face in the shown picture, in pixels.
        least_sharpness: Least sharpness of a face, as `sharpness` measures it.
        fewest_frames: Least frames that have to be judged, of a face.
        least_share: Least share of a face's frames that has to be judged, and of the video's
            sampled frames that has to be decoded, in [0, 1].

    Raises:
        ValueError: A limit is negative, or the share is over 1.
    """

    smallest_face: float = _SMALLEST_FACE
    least_sharpness: float = _LEAST_SHARPNESS
    fewest_frames: int = _FEWEST_FRAMES
    least_share: float = _LEAST_SHARE

    def __post_init__(self) -> None:
        for name in ("smallest_face", "least_sharpness", "fewest_frames", "least_share"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, not 0 or more")
        if self.least_share > 1:
            raise ValueError(f"least_share is {self.least_share}, not a share in [0, 1]")


def problem_of_clip(
    frames: Sequence[FaceFrame], crops: NDArray[np.uint8], *, margin: float, limits: QualityLimits
) -> Reason | None:
    """Why a clip cannot be judged.

    The median of its frames decides: one that is blurred by a movement does not.

    Args:
        frames: Of the clip, at least one.
        crops: (N, S, S, 3) uint8 RGB, one for each frame.
        margin: Context on each side of a crop, as the face pipeline's settings have it.
        limits: What a face has to show.

    Returns:
        `FACES_TOO_SMALL`, `FACES_TOO_BLURRED`, or None if it can be judged.
    """
    sides = [float(np.sqrt(frame.box.width * frame.box.height)) for frame in frames]
    if np.median(sides) < limits.smallest_face:
        return Reason.FACES_TOO_SMALL
    measured = [
        sharpness(crop, face_side=side, margin=margin)
        for crop, side in zip(crops, sides, strict=True)
    ]
    if np.median(measured) < limits.least_sharpness:
        return Reason.FACES_TOO_BLURRED
    return None


def problem_of_face(
    problems: Sequence[Reason | None], lengths: Sequence[int], limits: QualityLimits
) -> Reason | None:
    """Why a face cannot be judged.

    Args:
        problems: What `problem_of_clip` says of each clip, at least one.
        lengths: Frames of each clip.
        limits: What a face has to show.

    Returns:
        The problem of most frames if no clip can be judged, `TOO_LITTLE_USABLE` if too few or too
        small a share of the frames can, None if enough can.
    """
    frames: Counter[Reason | None] = Counter()
    for problem, length in zip(problems, lengths, strict=True):
        frames[problem] += length
    usable = frames.pop(None, 0)
    if not usable:
        return max(frames, key=lambda problem: frames[problem])
    least = max(limits.fewest_frames, limits.least_share * sum(lengths))
    return Reason.TOO_LITTLE_USABLE if usable < least else None


def sharpness(crop: NDArray[np.uint8], *, face_side: float, margin: float) -> float:
    """How much fine detail a face shows: the variance of its Laplacian in that of its grey levels.

    The variance of the Laplacian is the measure of Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", ICPR 2000. As a share of the whole variance it depends neither on the
    light nor on how dark a face is.

    Args:
        crop: (S, S, 3) uint8 RGB.
        face_side: Side of the face in the shown picture, in pixels: enlarging adds no detail.
        margin: Context around the face, which is not measured.

    Returns:
        0 where everything is smooth; for a face in focus 0.06 to 0.5.
    """
    size = len(crop)
    inner = max(1, round(size / (1 + 2 * margin)))
    start = (size - inner) // 2
    face = crop[start : start + inner, start : start + inner]
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    side = max(3, min(_MEASURED_SIDE, inner, round(face_side)))
    grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    variance = _variance(grey)
    if variance < _FEATURELESS:
        return 0.0
    return _variance(cv2.Laplacian(grey, cv2.CV_32F)) / variance


def _variance(plane: MatLike) -> float:
    # NumPy takes five times as long for planes of this size.
    _, deviation = cv2.meanStdDev(plane)
    return float(deviation[0, 0]) ** 2
