"""Which clips show enough of a face to be judged."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_factory import admiral, astronaut

from unmask_shared.artifacts import BoundingBox, FaceFrame
from unmask_shared.model.quality import (
    QualityLimits,
    problem_of_clip,
    problem_of_face,
    sharpness,
)
from unmask_shared.videos import Reason

MARGIN = 0.1
LIMITS = QualityLimits(smallest_face=48, least_sharpness=0.015, fewest_frames=8, least_share=0.25)
SMALL, BLURRED = Reason.FACES_TOO_SMALL, Reason.FACES_TOO_BLURRED


def portrait(size, *, of=astronaut, margin=MARGIN):
    """A crop with the face of a real person, upright as the pictures are."""
    person = of()
    (ax, ay), (bx, by) = person.pupils
    half = 1.3 * np.hypot(bx - ax, by - ay) * (1 + 2 * margin)
    x, y = (ax + bx) / 2, (ay + by) / 2 + 0.25 * np.hypot(bx - ax, by - ay)
    face = person.pixels[int(y - half) : int(y + half), int(x - half) : int(x + half)]
    return cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)


def blurred(crop, share):
    """Blurred by a Gaussian whose deviation is that share of the crop's side."""
    return cv2.GaussianBlur(crop, (0, 0), share * len(crop))


def frames(count, side):
    return tuple(
        FaceFrame(
            frame=number,
            time_s=number / 25,
            clip=0,
            box=BoundingBox(x=0, y=0, width=side, height=side),
            landmarks=None,
            detected=True,
        )
        for number in range(count)
    )


def problem(*crops, side=100.0, limits=LIMITS):
    return problem_of_clip(frames(len(crops), side), np.stack(crops), margin=MARGIN, limits=limits)


@pytest.mark.parametrize("of", [astronaut, admiral])
@pytest.mark.parametrize("size", [112, 144, 224])
def test_a_face_in_focus_is_judged_and_one_far_out_of_focus_is_not(of, size):
    crop = portrait(size, of=of)

    assert problem(*[crop] * 4) is None
    assert problem(*[blurred(crop, 0.06)] * 4) is BLURRED


@pytest.mark.parametrize("of", [astronaut, admiral])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.05])
def test_sharpness_depends_little_on_the_size_of_the_crops(of, share):
    measured = [
        sharpness(
            blurred(portrait(size, of=of), share) if share else portrait(size, of=of),
            face_side=200,
            margin=MARGIN,
        )
        for size in (96, 112, 144, 224)
    ]

    assert max(measured) < 1.5 * min(measured)


def test_sharpness_does_not_depend_on_the_light():
    crop = portrait(144)
    dark = (crop * 0.4).astype(np.uint8)

    bright, dim = (sharpness(one, face_side=200, margin=MARGIN) for one in (crop, dark))

    assert dim == pytest.approx(bright, rel=0.1)


def test_enlarging_a_small_face_does_not_make_it_blurred():
    small = cv2.resize(portrait(144), (60, 60), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(small, (144, 144), interpolation=cv2.INTER_CUBIC)

    assert problem(*[enlarged] * 4, side=50) is None


def test_a_crop_that_shows_nothing_is_not_sharp():
    empty = np.full((64, 64, 3), 90, np.uint8)

    assert sharpness(empty, face_side=100, margin=MARGIN) == 0
    assert problem(empty, empty) is BLURRED


@pytest.mark.parametrize(("side", "expected"), [(47.9, SMALL), (48.0, None)])
def test_faces_below_the_limit_are_too_small(side, expected):
    assert problem(*[portrait(112)] * 4, side=side) is expected


def test_a_frame_that_is_blurred_by_a_movement_does_not_spoil_its_clip():
    crop = portrait(112)

    assert problem(crop, crop, blurred(crop, 0.1)) is None
    assert problem(crop, blurred(crop, 0.1), blurred(crop, 0.1)) is BLURRED


def test_limits_of_0_take_everything():
    nothing = QualityLimits(smallest_face=0, least_sharpness=0, fewest_frames=0, least_share=0)

    assert problem(np.zeros((64, 64, 3), np.uint8), side=1, limits=nothing) is None
    assert problem_of_face([SMALL, None], [99, 1], nothing) is None


@pytest.mark.parametrize(
    ("problems", "lengths", "expected"),
    [
        ([None, None], [16, 16], None),
        ([None, BLURRED], [16, 16], None),
        ([SMALL, BLURRED, BLURRED], [16, 4, 4], SMALL),
        ([SMALL, BLURRED], [4, 16], BLURRED),
        ([None], [7], Reason.TOO_LITTLE_USABLE),
        ([None, None], [4, 4], None),
        ([None, *[SMALL] * 3], [16] * 4, None),
        ([None, *[SMALL] * 4], [16] * 5, Reason.TOO_LITTLE_USABLE),
    ],
)
def test_a_face_is_judged_if_enough_of_it_can_be(problems, lengths, expected):
    assert problem_of_face(problems, lengths, LIMITS) is expected


@given(st.lists(st.tuples(st.sampled_from([None, SMALL, BLURRED]), st.integers(1, 16)), min_size=1))
def test_one_more_usable_clip_never_costs_a_face_its_judgement(clips):
    problems, lengths = (list(column) for column in zip(*clips, strict=True))
    if problem_of_face(problems, lengths, LIMITS) is None:
        assert problem_of_face([*problems, None], [*lengths, 16], LIMITS) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"smallest_face": -1},
        {"least_sharpness": float("nan")},
        {"fewest_frames": -1},
        {"least_share": 1.1},
    ],
)
def test_impossible_limits_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        QualityLimits(**wrong)
