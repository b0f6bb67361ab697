"""Which tracklets show the same person.

What place and looks cannot join, across cuts, long gaps and absences, is recognised by identity
embeddings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.tracks import Tracklet, chain_tracklets

# The model's author calls faces closer than 0.6 the same person. Joining two persons is worse
# than splitting one, and blurred or dark faces all lie close to each other, from 0.4 on.
_SAME_PERSON_DISTANCE: Final = 0.5
_SAME_PERSON_DISTANCE_VAGUE: Final = 0.3
# Contrast of a chip's edges over its own; above 0.1 in all but crowds and fast dances.
_LOWEST_SHARPNESS: Final = 0.08
# Standard deviation of a chip in grey levels; above 12 wherever features can be told by eye, and
# below 5 there are none.
_LOWEST_CONTRAST: Final = 10.0
_DARKNESS: Final = 5.0
# Leaves and walls reach 0.75 with libfacedetection; faces that can be judged exceed 0.9. A face
# that was found in one searched frame only must be a surer one.
_SURE_CONFIDENCE: Final = 0.8
_SURE_CONFIDENCE_ONCE: Final = 0.85

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


@dataclass(kw_only=True)
class _Person:
    """Tracklets taken for one person so far; `chains` of them were joined by identity.

    The identity is None where it need not be known, and vague where it is not known well.
    """

    tracklets: list[Tracklet]
    identity: NDArray[np.float64] | None
    vague: bool = False
    chains: int = 1

    def distance(self, other: "_Person") -> float:
        if self.identity is None or other.identity is None:
            return np.inf
        return float(np.linalg.norm(self.identity - other.identity))

    def may_be(self, other: "_Person") -> bool:
        vague = self.vague or other.vague
        limit = _SAME_PERSON_DISTANCE_VAGUE if vague else _SAME_PERSON_DISTANCE
        if self.distance(other) > limit:
            return False
        return _numbers(self.tracklets).isdisjoint(_numbers(other.tracklets))

    def join(self, other: "_Person") -> None:
        if self.identity is None or other.identity is None:
            raise ValueError("persons without identities cannot be joined")
        chains = self.chains + other.chains
        self.identity = (self.identity * self.chains + other.identity * other.chains) / chains
        self.chains = chains
        self.vague = self.vague and other.vague
        self.tracklets += other.tracklets


def group_by_person(tracklets: Sequence[Tracklet], embed: Embed) -> list[list[Tracklet]]:
    """Gather the tracklets of each person, the most prominent person first.

    Args:
        tracklets: All of a video, in the order of their first frames.
        embed: From a chip to the identity embedding; called only where places do not decide.

    Returns:
        One list per person, in display order and without two tracklets in the same frame. Faces
        that the detector was not sure of, or of which nothing can be seen, are left out.
    """
    persons = [chain for chain in chain_tracklets(tracklets) if _is_credible(chain)]
    if len(persons) > 1:
        persons = _merge(persons, embed)
    return sorted(persons, key=_prominence, reverse=True)


def _merge(chains: Sequence[list[Tracklet]], embed: Embed) -> list[list[Tracklet]]:
    """Merge the closest two again and again, never two that are in the same frame."""
    numbers = [_numbers(chain) for chain in chains]
    persons = [
        _recognise(chain, embed)
        if any(own.isdisjoint(other) for other in numbers)
        else _Person(tracklets=list(chain), identity=None)
        for chain, own in zip(chains, numbers, strict=True)
    ]
    while True:
        pairs = [pair for pair in combinations(persons, 2) if pair[0].may_be(pair[1])]
        if not pairs:
            break
        first, second = min(pairs, key=lambda pair: pair[0].distance(pair[1]))
        first.join(second)
        persons = [person for person in persons if person is not second]
    return [
        sorted(person.tracklets, key=lambda tracklet: tracklet.frames[0].frame)
        for person in persons
    ]


def _recognise(chain: Sequence[Tracklet], embed: Embed) -> _Person:
    sharpest = max((tracklet.chip for tracklet in chain), key=_sharpness)
    vague = _contrast(sharpest) < _LOWEST_CONTRAST or _sharpness(sharpest) < _LOWEST_SHARPNESS
    return _Person(tracklets=list(chain), identity=embed(sharpest), vague=vague)


def _sharpness(chip: NDArray[np.uint8]) -> float:
    edges = cv2.Laplacian(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), cv2.CV_64F)
    return float(edges.std() / (_contrast(chip) + 1))


def _contrast(chip: NDArray[np.uint8]) -> float:
    return float(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY).std())


def _numbers(tracklets: Sequence[Tracklet]) -> set[int]:
    return {frame.frame for tracklet in tracklets for frame in tracklet.frames}


def _is_credible(person: Sequence[Tracklet]) -> bool:
    if max(_contrast(tracklet.chip) for tracklet in person) < _DARKNESS:
        return False
    detections = sum(frame.detected for tracklet in person for frame in tracklet.frames)
    confidence = max(tracklet.confidence for tracklet in person)
    return confidence >= (_SURE_CONFIDENCE if detections > 1 else _SURE_CONFIDENCE_ONCE)


def _prominence(person: Sequence[Tracklet]) -> float:
    """Duration times size."""
    return sum(frame.box.width for tracklet in person for frame in tracklet.frames)
