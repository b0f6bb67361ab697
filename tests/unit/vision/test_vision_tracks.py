from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, FaceFrame
from unmask_shared.vision.faces import Detection
from unmask_shared.vision.persons import group_by_person
from unmask_shared.vision.tracks import (
    SHORT_GAP,
    Tracklet,
    chain_tracklets,
    interpolate_boxes,
    link_detections,
    look_alike,
)

SIDE = 40
ANNA, BERTA = 1, 2


def _box(x: float, *, y: float = 100, side: float = SIDE) -> BoundingBox:
    return BoundingBox(x=x, y=y, width=side, height=side)


def _seen(x: float, **kwargs: float) -> Detection:
    return Detection(box=_box(x, **kwargs), confidence=0.9)


def _picture(person: int, side: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(person).integers(0, 255, (side, side), dtype=np.uint8)
    return np.repeat(noise[..., None], 3, axis=2)


def _tracklet(
    numbers: Sequence[int],
    *,
    x: float = 100,
    person: int = ANNA,
    setting: int = 0,
    confidence: float = 0.95,
    side: float = SIDE,
) -> Tracklet:
    """A tracklet whose chip is filled with the number of the person."""
    point = (0.0, 0.0)
    return Tracklet(
        frames=tuple(
            FaceFrame(
                frame=number,
                time_s=number / 25,
                clip=0,
                box=_box(x, side=side),
                landmarks=(point, point, point, point, point),
                detected=True,
            )
            for number in numbers
        ),
        crops=np.stack([_picture(person, 24)] * len(numbers)),
        chip=_picture(person, 150),
        confidence=confidence,
        setting=setting,
    )


def _embed(chip: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Identities of invented persons: far apart unless the chips are the same."""
    return np.random.default_rng(int(chip[:4, :4].sum())).normal(0, 0.1, 128)


def test_faces_that_move_are_followed_by_overlap() -> None:
    found = {
        position: [_seen(100 + position * 2), _seen(200 - position * 2)]
        for position in (0, 5, 10, 15)
    }
    left, right = link_detections(found)
    assert [left[position].box.x for position in found] == [100, 110, 120, 130]
    assert [right[position].box.x for position in found] == [200, 190, 180, 170]


def test_the_best_overlap_wins_whatever_the_order() -> None:
    found = {0: [_seen(100), _seen(120)], 5: [_seen(121), _seen(101)]}
    tracks = [[track[0].box.x, track[5].box.x] for track in link_detections(found)]
    assert tracks == [[100, 101], [120, 121]]


def test_a_face_missed_once_is_picked_up_again_but_not_later() -> None:
    once = link_detections({0: [_seen(100)], 5: [], 10: [_seen(102)]})
    assert [list(face) for face in once] == [[0, 10]]
    twice = link_detections({0: [_seen(100)], 5: [], 10: [], 15: [_seen(102)]})
    assert [list(face) for face in twice] == [[0], [15]]


boxes = st.builds(
    Detection,
    box=st.builds(_box, st.floats(0, 200), y=st.floats(0, 200), side=st.floats(10, 90)),
    confidence=st.floats(0, 1),
)


@given(st.lists(st.lists(boxes, max_size=4), max_size=5))
def test_every_detection_belongs_to_exactly_one_face(found: list[list[Detection]]) -> None:
    faces = link_detections({5 * step: detections for step, detections in enumerate(found)})
    linked = [id(detection) for face in faces for detection in face.values()]
    assert sorted(linked) == sorted(id(detection) for row in found for detection in row)


def test_boxes_between_detections_lie_on_a_straight_line() -> None:
    boxes = interpolate_boxes({2: _seen(100), 6: _seen(120, side=60)})
    assert list(boxes) == [2, 3, 4, 5, 6]
    assert boxes[4] == _box(110, side=50)


def test_looks_tell_one_person_from_another_under_any_light() -> None:
    anna, berta = _picture(ANNA, 64), _picture(BERTA, 64)
    darker = (anna // 2 + 10).astype(np.uint8)
    assert look_alike(anna, darker)
    assert not look_alike(anna, berta)


@pytest.mark.parametrize(
    ("later", "joined"),
    [
        (_tracklet(range(16, 32), x=105), True),
        (_tracklet(range(15 + SHORT_GAP, 40), x=105), True),
        (_tracklet(range(16 + SHORT_GAP, 40), x=105), True),
        (_tracklet(range(16 + SHORT_GAP, 40), x=105, person=BERTA), False),
        (_tracklet(range(16, 32), x=200), False),
        (_tracklet(range(16, 32), x=105, setting=1), False),
        (_tracklet(range(16, 32), x=105, person=BERTA), False),
        (_tracklet(range(8, 24), x=105), False),
    ],
    ids=[
        "next",
        "short gap",
        "long gap",
        "other looks after a long gap",
        "elsewhere",
        "after a cut",
        "other looks",
        "same time",
    ],
)
def test_clips_are_chained_only_where_one_person_stayed(later: Tracklet, joined: bool) -> None:
    chains = chain_tracklets([_tracklet(range(16)), later])
    assert len(chains) == (1 if joined else 2)


def test_identity_joins_what_a_cut_separates() -> None:
    tracklets = [
        _tracklet(range(16), setting=0, person=ANNA),
        _tracklet(range(20, 36), setting=1, person=BERTA),
        _tracklet(range(40, 56), setting=2, person=ANNA, x=300),
    ]
    persons = group_by_person(tracklets, _embed)
    assert [[t.frames[0].frame for t in person] for person in persons] == [[0, 40], [20]]


def test_one_picture_never_shows_a_person_twice() -> None:
    twins = [_tracklet(range(16)), _tracklet(range(8, 24), x=300)]
    assert len(group_by_person(twins, _embed)) == 2


def test_a_single_face_needs_no_identity() -> None:
    def refuse(_chip: NDArray[np.uint8]) -> NDArray[np.float64]:
        raise AssertionError("an identity was embedded")

    tracklets = [_tracklet(range(start, start + 16)) for start in (0, 19, 38)]
    assert len(group_by_person(tracklets, refuse)) == 1


def test_people_who_are_always_seen_together_need_no_identity() -> None:
    def refuse(_chip: NDArray[np.uint8]) -> NDArray[np.float64]:
        raise AssertionError("an identity was embedded")

    pair = [_tracklet(range(16)), _tracklet(range(8, 24), x=300, person=BERTA)]
    assert len(group_by_person(pair, refuse)) == 2


def test_prominence_is_duration_times_size() -> None:
    long_and_small = _tracklet(range(10), person=ANNA, side=20)
    short_and_large = _tracklet(range(4), person=BERTA, x=300, side=90)
    persons = group_by_person([long_and_small, short_and_large], _embed)
    assert [person[0].frames[0].box.width for person in persons] == [90, 20]


@pytest.mark.parametrize(
    ("frames", "confidence", "kept"), [(5, 0.79, 0), (5, 0.81, 1), (1, 0.84, 0), (1, 0.86, 1)]
)
def test_faces_that_the_detector_doubts_are_left_out(
    frames: int, confidence: float, kept: int
) -> None:
    assert len(group_by_person([_tracklet(range(frames), confidence=confidence)], _embed)) == kept


def _slope() -> NDArray[np.uint8]:
    levels = np.linspace(10, 240, 150).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None], (150, 150, 3)).copy()


@pytest.mark.parametrize(
    ("chip", "persons"),
    [
        (_picture(ANNA, 150), 1),
        (_slope(), 2),
        (_picture(ANNA, 150) // 10, 2),
        (_picture(ANNA, 150) // 20, 0),
    ],
    ids=["clear", "blurred", "dark", "black"],
)
def test_vague_faces_are_joined_more_strictly_and_black_ones_left_out(
    chip: NDArray[np.uint8], persons: int
) -> None:
    def near(chip: NDArray[np.uint8]) -> NDArray[np.float64]:
        identity = np.zeros(128)
        identity[0] = 0.4 * bool(chip[0, 0, 0] == 1)
        return identity

    pair = []
    for run, first_pixel in enumerate((0, 1)):
        marked = chip.copy()
        marked[0, 0] = first_pixel
        start = 100 * run
        pair.append(replace(_tracklet(range(start, start + 4), setting=run), chip=marked))
    assert len(group_by_person(pair, near)) == persons


def test_a_look_from_before_the_last_clip_is_remembered() -> None:
    """Somebody turns the head and back again: the looks of one clip before last decide."""
    away = replace(_tracklet(range(40, 56)), crops=np.stack([_picture(3, 24)] * 16))
    turning = replace(
        _tracklet(range(20, 36)),
        crops=np.stack([_picture(ANNA, 24)] * 8 + [_picture(3, 24)] * 8),
    )
    back = _tracklet(range(80, 96))
    assert len(chain_tracklets([_tracklet(range(16)), turning, away, back])) == 1
