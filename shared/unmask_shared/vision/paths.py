"""The way of one face through a shot, from where it was detected to every frame.

Between two detections the box is on a straight line, which heads do not keep to. Landmarks tell how
far the face is beside it; they are located at the detections and, unless the face moves straight on
anyway, halfway between. They are smoothed over time, so that nothing jitters.
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

# Detections so many frames apart may have landmarks halfway between them, too.
_FAR_APART: Final = 4
# Landmarks that lie so far beside the line between the ones before and after them, in sides of the
# face, are on a bend. Over 193 clips of faces, against landmarks in every frame: off by 0.56 % of a
# side with 5.3 of them in a clip, by 0.47 % with 6.6, halfway everywhere.
_BEND: Final = 0.02


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
    located = _locate(frames, lines, detected)
    landmarks = smooth(_between(np.stack([*located.values()]), list(located), everywhere))
    beside = squares_of(landmarks)[0] - np.array([box.center for box in lines.values()])
    usual = _between(beside[np.searchsorted(everywhere, detected)], detected, everywhere)
    moves = (beside - usual).tolist()
    boxes = [_moved(box, by) for box, by in zip(lines.values(), moves, strict=True)]
    return dict(zip(everywhere, landmarks, strict=True)), dict(zip(everywhere, boxes, strict=True))


def _locate(
    frames: Sequence[DecodedFrame], lines: Mapping[int, BoundingBox], detected: Sequence[int]
) -> dict[int, Landmarks]:
    """Landmarks where the face was detected, in every other gap, and in the gaps at bends."""
    gaps = [(a, b) for a, b in pairwise(detected) if b - a >= _FAR_APART]
    # Of a single gap this one, of three the one in the middle.
    first = len(gaps) // 2 % 2
    known = _located(frames, lines, [*detected, *map(_halfway, gaps[first::2])])
    bends = _bends(known)
    rest = [gap for gap in gaps[1 - first :: 2] if not bends.isdisjoint(gap)]
    return dict(sorted({**known, **_located(frames, lines, [*map(_halfway, rest)])}.items()))


def _halfway(gap: tuple[int, int]) -> int:
    return sum(gap) // 2


def _located(
    frames: Sequence[DecodedFrame], lines: Mapping[int, BoundingBox], positions: Sequence[int]
) -> dict[int, Landmarks]:
    if not positions:
        return {}
    points = np.stack([find_landmarks(frames[at].picture, lines[at]) for at in positions])
    right = put_astray_right(points, [lines[at] for at in positions])
    return dict(sorted(zip(positions, right, strict=True)))


def _bends(known: Mapping[int, Landmarks]) -> set[int]:
    """Where the landmarks lie beside the line between those before and after them."""
    at = np.array([*known], dtype=np.float64)
    points = np.stack([*known.values()])
    share = ((at[1:-1] - at[:-2]) / (at[2:] - at[:-2]))[:, None, None]
    beside = points[1:-1] - (points[:-2] * (1 - share) + points[2:] * share)
    off = np.hypot(beside[..., 0], beside[..., 1]).mean(axis=1)
    on_bend = off > _BEND * squares_of(points[1:-1])[1]
    return set(at[1:-1][on_bend].astype(int).tolist())


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
