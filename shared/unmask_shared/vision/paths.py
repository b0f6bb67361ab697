"""The way of one face through a shot, from where it was detected to every frame.

Between two detections the box is on a straight line, which heads do not keep to. Landmarks tell how
far the face is beside it; they are located at the detections and halfway between, and are smoothed
over time, so that nothing jitters.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.align import Landmarks, put_astray_right, smooth, squares_of
from unmask_shared.vision.faces import Detection
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.landmarks import find_landmarks
from unmask_shared.vision.tracks import interpolate_boxes

# Detections so many frames apart have landmarks halfway between them, too.
_FAR_APART: Final = 4


def follow(
    frames: Sequence[DecodedFrame], face: Mapping[int, Detection]
) -> tuple[dict[int, Landmarks], dict[int, BoundingBox]]:
    """Landmarks and boxes from a face's first detection to its last.

    Args:
        frames: Of one shot.
        face: Where the face was detected, by position in the frames.

    Returns:
        Both for each position in between, ascending; the detected boxes are kept.
    """
    lines = interpolate_boxes(face)
    detected, everywhere = sorted(face), list(lines)
    positions = sorted({*detected, *_halfway(detected)})
    located = [find_landmarks(frames[at].picture, lines[at]) for at in positions]
    right = put_astray_right(np.stack(located), [lines[at] for at in positions])
    landmarks = smooth(_between(right, positions, everywhere))
    beside = squares_of(landmarks)[0] - np.array([box.center for box in lines.values()])
    usual = _between(beside[np.searchsorted(everywhere, detected)], detected, everywhere)
    moves = (beside - usual).tolist()
    boxes = [_moved(box, by) for box, by in zip(lines.values(), moves, strict=True)]
    return dict(zip(everywhere, landmarks, strict=True)), dict(zip(everywhere, boxes, strict=True))


def _halfway(positions: Sequence[int]) -> list[int]:
    return [(a + b) // 2 for a, b in pairwise(positions) if b - a >= _FAR_APART]


def _between(
    known: NDArray[np.float64], positions: Sequence[int], everywhere: Sequence[int]
) -> NDArray[np.float64]:
    """What is known at some positions, `(K, ...)`, on straight lines at all others, `(N, ...)`."""
    columns = known.reshape(len(positions), -1).T
    filled = np.stack([np.interp(everywhere, positions, column) for column in columns], axis=1)
    return filled.reshape(len(everywhere), *known.shape[1:])


def _moved(box: BoundingBox, by: Sequence[float]) -> BoundingBox:
    x, y = by
    return BoundingBox(x=box.x + x, y=box.y + y, width=box.width, height=box.height)
