"""Following faces from frame to frame by where they are and what they look like."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.face_track import FacePiece
from unmask_shared.vision.faces import Detection

_SAME_PLACE_IOU: Final = 0.3
# Gaps up to so many frames are bridged by place and looks, and longer ones within one setting more
# strictly: embedding an identity takes 75 ms.
SHORT_GAP: Final = 16
# Correlation of two aligned crops: neighbouring frames of one person stay above 0.7 in 99 %, two
# persons below 0.64 in 95 % of the pairs of our trial videos.
_LIKENESS: Final = 0.65
# In one shot and one place, only a cut that went unnoticed can exchange persons.
_LIKENESS_NEXT: Final = 0.5
# After longer gaps, the best of some moments of each counts: 88 % of the clips of one person reach
# this, 0.25 % of two persons' clips.
_LIKENESS_LATER: Final = 0.85
# Who moved on by up to so many widths in the meantime must look all the more the same.
_LIKENESS_ELSEWHERE: Final = 0.92
_FARTHEST_ELSEWHERE: Final = 2.0
_MOMENTS: Final = 3
_REMEMBERED_TRACKLETS: Final = 3
_LIKENESS_SIDE: Final = 24


@dataclass(frozen=True, kw_only=True)
class Tracklet(FacePiece):
    """A face followed through one clip.

    Attributes:
        chip: `(150, 150, 3)` uint8 RGB, its surest frame, aligned for the identity embedding.
        overlay: `(H, W, 3)` uint8 RGB, the same frame with its landmarks, if asked for.
        confidence: Of the surest detection, from 0 to 1.
        setting: Which scene of the video it lies in, as far as can be told: see `shots.Shot`.
    """

    chip: NDArray[np.uint8]
    overlay: NDArray[np.uint8] | None = None
    confidence: float
    setting: int

    @cached_property
    def looks(self) -> NDArray[np.float64]:
        """The face at the start, in the middle and at the end, `(3, pixels)`: see `look_alike`."""
        indices = np.linspace(0, len(self.crops) - 1, _MOMENTS).round().astype(int)
        return _appearances([self.crops[index] for index in indices])


def link_detections(
    found: Mapping[int, Sequence[Detection]],
) -> list[dict[int, Detection]]:
    """Follow faces through one shot by the overlap of their boxes, best overlap first.

    A face may be missed in one searched frame and is picked up again in the next.

    Args:
        found: What was found at each searched position, in ascending order.

    Returns:
        For each face where it was found; every detection belongs to exactly one.
    """
    faces: list[dict[int, Detection]] = []
    searched = list(found)
    for step, position in enumerate(searched):
        recent = searched[max(0, step - 2) : step]
        open_faces = [face for face in faces if max(face) in recent]
        free = list(found[position])
        for face, detection in _pairs_by_overlap(open_faces, free):
            if position not in face and any(detection is other for other in free):
                face[position] = detection
                free = [other for other in free if other is not detection]
        faces.extend({position: detection} for detection in free)
    return faces


def _pairs_by_overlap(
    faces: Sequence[dict[int, Detection]], detections: Sequence[Detection]
) -> list[tuple[dict[int, Detection], Detection]]:
    overlaps = [
        (face[max(face)].box.iou(detection.box), face, detection)
        for face in faces
        for detection in detections
    ]
    close = [pair for pair in overlaps if pair[0] >= _SAME_PLACE_IOU]
    close.sort(key=lambda pair: pair[0], reverse=True)
    return [(face, detection) for _, face, detection in close]


def interpolate_boxes(face: Mapping[int, Detection]) -> dict[int, BoundingBox]:
    """The boxes of a face at every position from its first detection to its last."""
    boxes = {position: detection.box for position, detection in face.items()}
    for before, after in pairwise(sorted(face)):
        for position in range(before + 1, after):
            share = (position - before) / (after - before)
            boxes[position] = _between(face[before].box, face[after].box, share)
    return dict(sorted(boxes.items()))


def _between(first: BoundingBox, second: BoundingBox, share: float) -> BoundingBox:
    def mix(a: float, b: float) -> float:
        return a + (b - a) * share

    return BoundingBox(
        x=mix(first.x, second.x),
        y=mix(first.y, second.y),
        width=mix(first.width, second.width),
        height=mix(first.height, second.height),
    )


def look_alike(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Whether two aligned crops, `(S, S, 3)`, may show one person a moment apart."""
    before, now = _appearances([first, second])
    return float(before @ now) >= _LIKENESS


def split_where_looks_change(crops: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Consecutive crops in parts; where a new part begins, another person may be seen.

    Args:
        crops: `(N, S, S, 3)` uint8 RGB, in display order.

    Returns:
        Of each part its first crop, and the one after its last.
    """
    looks = _appearances([*crops])
    alike = np.einsum("np,np->n", looks[:-1], looks[1:])
    starts = [0, *(np.flatnonzero(alike < _LIKENESS_NEXT) + 1).tolist()]
    return [*pairwise([*starts, len(crops)])]


def _appearances(crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """The middles of crops, small and grey, with mean 0 and norm 1: `(N, pixels)`."""
    border = len(crops[0]) // 8
    inner = slice(border, len(crops[0]) - border)
    side = (_LIKENESS_SIDE, _LIKENESS_SIDE)
    small = [
        cv2.resize(
            cv2.cvtColor(crop[inner, inner], cv2.COLOR_RGB2GRAY), side, interpolation=cv2.INTER_AREA
        )
        for crop in crops
    ]
    grey = np.stack(small).reshape(len(crops), -1)
    centered = grey - grey.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centered, axis=1, keepdims=True)
    appearances: NDArray[np.float64] = centered / (norms + np.finfo(float).eps)
    return appearances


def chain_tracklets(tracklets: Sequence[Tracklet]) -> list[list[Tracklet]]:
    """Join what goes on at the same place, looking the same, from clip to clip.

    Args:
        tracklets: All of a video, in the order of their first frames.

    Returns:
        Lists in display order; every tracklet is in exactly one.
    """
    chains: list[list[Tracklet]] = []
    for tracklet in tracklets:
        candidates = [
            (_distance(chain[-1].frames[-1].box, tracklet.frames[0].box), chain)
            for chain in chains
            if _may_go_on(chain, tracklet)
        ]
        _, chain = min(candidates, key=lambda pair: pair[0], default=(0.0, None))
        if chain is None:
            chains.append([tracklet])
        else:
            chain.append(tracklet)
    return chains


def _may_go_on(chain: Sequence[Tracklet], later: Tracklet) -> bool:
    earlier = chain[-1]
    last, first = earlier.frames[-1], later.frames[0]
    if earlier.setting != later.setting or first.frame <= last.frame:
        return False
    overlap = last.box.iou(first.box)
    if first.frame - last.frame <= SHORT_GAP:
        return overlap >= _SAME_PLACE_IOU and look_alike(earlier.crops[-1], later.crops[0])
    if _distance(last.box, first.box) > _FARTHEST_ELSEWHERE:
        return False
    needed = _LIKENESS_LATER if overlap >= _SAME_PLACE_IOU else _LIKENESS_ELSEWHERE
    return _best_likeness(chain, later) >= needed


def _distance(first: BoundingBox, second: BoundingBox) -> float:
    """Of two boxes' centres, in widths of the smaller one."""
    (ax, ay), (bx, by) = first.center, second.center
    return math.hypot(ax - bx, ay - by) / min(first.width, second.width)


def _best_likeness(chain: Sequence[Tracklet], later: Tracklet) -> float:
    before = np.concatenate([tracklet.looks for tracklet in chain[-_REMEMBERED_TRACKLETS:]])
    return float((later.looks @ before.T).max())
