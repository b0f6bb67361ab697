from collections.abc import Callable, Sequence

import numpy as np
import pytest
from media_factory import Head, astronaut, film
from vision_helpers import picture_of

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.align import Landmarks
from unmask_shared.vision.faces import Detection
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.landmarks import find_landmarks
from unmask_shared.vision.paths import follow
from unmask_shared.vision.picture import Picture
from unmask_shared.vision.tracks import interpolate_boxes

EYES = 44.0
LOOKED_UP = (0, 5, 10, 15)


def _nodding(number: int) -> Head:
    """Up and down once in ten frames: at its extremes halfway between the lookups."""
    swing = np.sin(2 * np.pi * number / 10)
    return Head(portrait=astronaut(), center=(160, 110 + 12 * swing), eye_distance=EYES)


def _drifting(number: int) -> Head:
    return Head(portrait=astronaut(), center=(120 + 3 * number, 110 + number), eye_distance=EYES)


def _still(_number: int) -> Head:
    return Head(portrait=astronaut(), center=(160, 110), eye_distance=EYES)


def _square(head: Head) -> BoundingBox:
    """Around the face, 2.2 distances of the pupils wide, as a detector would draw it."""
    x, y = head.center
    side = 2.2 * EYES
    return BoundingBox(x=x - side / 2, y=y + 0.56 * EYES - side / 2, width=side, height=side)


def _frames(heads: Sequence[Head]) -> list[DecodedFrame]:
    return [
        DecodedFrame(number=number, time_s=number / 25, picture=picture_of(pixels))
        for number, pixels in enumerate(film(len(heads), lambda number: [heads[number]]))
    ]


def test_boxes_follow_a_nodding_head_where_straight_lines_do_not() -> None:
    heads = [_nodding(number) for number in range(16)]
    face = {at: Detection(box=_square(heads[at]), confidence=0.9) for at in LOOKED_UP}
    _, boxes = follow(_frames(heads), face)
    lines = interpolate_boxes(face)
    assert list(boxes) == list(lines) == list(range(16))
    truth = np.array([_square(head).center[1] for head in heads])
    off, off_the_line = (
        np.abs(np.array([box.center[1] for box in way.values()]) - truth) for way in (boxes, lines)
    )
    assert off.mean() < 0.6 * off_the_line.mean()
    assert off.max() < 0.8 * off_the_line.max()


@pytest.mark.parametrize(
    ("motion", "looked_at"),
    [
        (_still, {0, 5, 7, 10, 15}),
        (_drifting, {0, 5, 7, 10, 15}),
        (_nodding, {*range(0, 16, 5), 2, 7, 12}),
    ],
    ids=["still", "straight on", "nodding as fast as it is looked up"],
)
def test_landmarks_are_located_halfway_everywhere_only_on_bends(
    monkeypatch: pytest.MonkeyPatch, motion: Callable[[int], Head], looked_at: set[int]
) -> None:
    heads = [motion(number) for number in range(16)]
    frames = _frames(heads)
    seen: list[Picture] = []

    def watched(picture: Picture, box: BoundingBox) -> Landmarks:
        seen.append(picture)
        return find_landmarks(picture, box)

    monkeypatch.setattr("unmask_shared.vision.paths.find_landmarks", watched)
    follow(frames, {at: Detection(box=_square(heads[at]), confidence=0.9) for at in LOOKED_UP})
    assert len(seen) == len(looked_at)
    assert {frame.number for frame in frames if frame.picture in seen} == looked_at


def test_landmarks_go_with_the_eyes() -> None:
    heads = [_nodding(number) for number in range(16)]
    face = {at: Detection(box=_square(heads[at]), confidence=0.9) for at in LOOKED_UP}
    landmarks, _ = follow(_frames(heads), face)
    for number, points in landmarks.items():
        eyes = np.stack([points[:2].mean(axis=0), points[2:4].mean(axis=0)])
        assert np.abs(eyes - heads[number].pupils).max() < 0.2 * EYES


@pytest.mark.parametrize("positions", [(0,), (3, 4), (2, 7), (0, 10)])
def test_detected_boxes_are_kept_and_the_way_goes_from_the_first_to_the_last(
    positions: Sequence[int],
) -> None:
    heads = [_nodding(number) for number in range(11)]
    face = {at: Detection(box=_square(heads[at]), confidence=0.9) for at in positions}
    landmarks, boxes = follow(_frames(heads), face)
    assert list(landmarks) == list(boxes) == list(range(positions[0], positions[-1] + 1))
    for at in positions:
        kept, found = boxes[at], face[at].box
        assert (kept.x, kept.y, kept.width) == pytest.approx((found.x, found.y, found.width))


def test_boxes_of_a_still_head_do_not_jitter() -> None:
    heads = [_still(number) for number in range(16)]
    face = {at: Detection(box=_square(heads[at]), confidence=0.9) for at in LOOKED_UP}
    _, boxes = follow(_frames(heads), face)
    centers = np.array([box.center for box in boxes.values()])
    assert centers.std(axis=0).max() < 0.5
