"""From faces in single frames to one track per person.

Within consecutive frames a face is followed by the overlap of its boxes; across gaps, cuts and
absences it is recognised by its identity embedding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, FaceFrame
from unmask_shared.vision.faces import Detection

_SAME_PLACE_IOU: Final = 0.3
# Author's threshold for the same person is 0.6; joining two persons is worse than one too many.
_SAME_PERSON_DISTANCE: Final = 0.5
# A face that was found in one searched frame only must be a sure one.
_SURE_CONFIDENCE: Final = 0.85


@dataclass(frozen=True, kw_only=True)
class Tracklet:
    """A face followed through one clip without interruption.

    Attributes:
        frames: Where it is, consecutive in display order.
        crops: `(N, S, S, 3)` uint8 RGB, one per frame.
        chip: `(150, 150, 3)` uint8 RGB, its surest frame, aligned for the identity embedding.
        confidence: Of the surest detection, from 0 to 1.
        run: Which uninterrupted stretch of frames it lies in: neither a gap nor a cut is inside.
    """

    frames: tuple[FaceFrame, ...]
    crops: NDArray[np.uint8]
    chip: NDArray[np.uint8]
    confidence: float
    run: int


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


def join_tracklets(
    tracklets: Sequence[Tracklet], embed: Callable[[NDArray[np.uint8]], NDArray[np.float64]]
) -> list[list[Tracklet]]:
    """Gather the tracklets of each person, the most prominent person first.

    Args:
        tracklets: All of a video, in the order of their first frames.
        embed: From a chip to the identity embedding; called only where places do not decide.

    Returns:
        One list per person, in display order and without two tracklets in the same frame. Faces
        seen once and unsurely are left out.
    """
    persons = _chain_by_place(tracklets)
    if len(persons) > 1:
        persons = _merge_by_identity(persons, embed)
    kept = [person for person in persons if _is_credible(person)]
    return sorted(kept, key=_prominence, reverse=True)


def _chain_by_place(tracklets: Sequence[Tracklet]) -> list[list[Tracklet]]:
    """Join what continues at the same place over the border between two clips that touch."""
    chains: list[list[Tracklet]] = []
    for tracklet in tracklets:
        first = tracklet.frames[0]
        candidates = [
            (chain[-1].frames[-1].box.iou(first.box), chain)
            for chain in chains
            if chain[-1].run == tracklet.run and chain[-1].frames[-1].frame == first.frame - 1
        ]
        overlap, chain = max(candidates, key=lambda pair: pair[0], default=(0.0, []))
        if overlap >= _SAME_PLACE_IOU:
            chain.append(tracklet)
        else:
            chains.append([tracklet])
    return chains


def _merge_by_identity(
    persons: list[list[Tracklet]],
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float64]],
) -> list[list[Tracklet]]:
    """Merge the closest pair again and again, never two that are in the same frame."""
    groups = {number: list(person) for number, person in enumerate(persons)}
    centers = {number: embed(_best_chip(person)) for number, person in groups.items()}
    seen = {number: _frame_numbers(person) for number, person in groups.items()}
    weights = dict.fromkeys(groups, 1)
    while True:
        distances = {
            (a, b): float(np.linalg.norm(centers[a] - centers[b]))
            for a, b in combinations(groups, 2)
            if seen[a].isdisjoint(seen[b])
        }
        closest = min(distances, key=lambda pair: distances[pair], default=None)
        if closest is None or distances[closest] > _SAME_PERSON_DISTANCE:
            break
        a, b = closest
        total = weights[a] + weights[b]
        centers[a] = (centers[a] * weights[a] + centers[b] * weights[b]) / total
        weights[a] = total
        groups[a] += groups.pop(b)
        seen[a] |= seen.pop(b)
    return [
        sorted(group, key=lambda tracklet: tracklet.frames[0].frame) for group in groups.values()
    ]


def _best_chip(person: Sequence[Tracklet]) -> NDArray[np.uint8]:
    return max(person, key=lambda tracklet: tracklet.confidence).chip


def _frame_numbers(person: Sequence[Tracklet]) -> set[int]:
    return {frame.frame for tracklet in person for frame in tracklet.frames}


def _is_credible(person: Sequence[Tracklet]) -> bool:
    detections = sum(frame.detected for tracklet in person for frame in tracklet.frames)
    return detections > 1 or max(t.confidence for t in person) >= _SURE_CONFIDENCE


def _prominence(person: Sequence[Tracklet]) -> float:
    """Duration times size."""
    return sum(frame.box.width for tracklet in person for frame in tracklet.frames)
