import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_factory import Head, astronaut, scenery, show
from numpy.typing import NDArray
from vision_helpers import picture_of

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.align import (
    crop_matrix,
    put_astray_right,
    similarity,
    smooth,
    squares_of,
    template,
)
from unmask_shared.vision.faces import DlibHog
from unmask_shared.vision.landmarks import find_landmarks

MARGIN = 0.15


def _moved(
    points: NDArray[np.float64], *, degrees: float, scale: float, shift: tuple[float, float]
) -> NDArray[np.float64]:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved: NDArray[np.float64] = scale * points @ turn.T + shift
    return moved


def _align(
    image: NDArray[np.uint8], landmarks: NDArray[np.float64], *, size: int, margin: float
) -> NDArray[np.uint8]:
    matrix = crop_matrix(landmarks, size=size, margin=margin)
    return picture_of(image).patch(matrix, size, size)


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(0.1, 10),
    shift=st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
)
def test_a_similarity_is_found_exactly(
    degrees: float, scale: float, shift: tuple[float, float]
) -> None:
    target = template(112, MARGIN)
    source = _moved(target, degrees=degrees, scale=scale, shift=shift)
    matrix = similarity(source, target)
    assert np.allclose(source @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-6)


def test_noise_in_the_landmarks_is_averaged() -> None:
    target = template(112, MARGIN)
    noisy = target + np.random.default_rng(0).normal(0, 1, target.shape)
    matrix = similarity(noisy, target)
    assert matrix[:, :2] == pytest.approx(np.eye(2), abs=0.05)


@pytest.mark.parametrize("size", [64, 112, 224])
@pytest.mark.parametrize("margin", [0.0, 0.15, 0.5])
def test_the_template_is_centred_and_scales(size: int, margin: float) -> None:
    points = template(size, margin)
    assert points[:, 0].mean() == pytest.approx((size - 1) / 2)
    assert 0 <= points.min() <= points.max() <= size - 1
    wider = template(size, margin + 0.1)
    assert np.ptp(wider[:, 0]) < np.ptp(points[:, 0])


def test_smoothing_removes_jitter_and_follows_motion() -> None:
    number = np.arange(40.0)
    motion = np.broadcast_to(number[:, None, None] * 2, (40, 5, 2))
    assert smooth(motion)[8:-8] == pytest.approx(motion[8:-8])
    jitter = np.random.default_rng(0).normal(0, 1, (40, 5, 2))
    assert smooth(jitter).std() < 0.6
    assert smooth(np.ones((1, 5, 2))) == pytest.approx(np.ones((1, 5, 2)))


@pytest.mark.parametrize("eye_distance", [24.0, 43.0, 120.0])
@pytest.mark.parametrize("tilt", [-35.0, 0.0, 20.0])
def test_the_eyes_come_to_their_place_in_the_crop(eye_distance: float, tilt: float) -> None:
    head = Head(
        portrait=astronaut(), center=(260, 220), eye_distance=eye_distance, tilt_degrees=tilt
    )
    image = show(scenery(520, 480), head)
    # Any landmarks of the upright portrait, carried to where the head is shown.
    box = DlibHog().detect(astronaut().pixels)[0].box
    found_there = find_landmarks(picture_of(astronaut().pixels), box)
    portrait = found_there - np.mean(astronaut().pupils, axis=0)
    (left_x, left_y), (right_x, right_y) = astronaut().pupils
    source = complex(right_x - left_x, right_y - left_y)
    factor = complex(*(head.pupils[1] - head.pupils[0])) / source
    turned = (portrait[:, 0] + 1j * portrait[:, 1]) * factor
    landmarks = np.stack([turned.real, turned.imag], axis=1) + head.center

    crop = _align(image, landmarks, size=224, margin=0.4)
    found = find_landmarks(picture_of(crop), DlibHog().detect(crop)[0].box)
    assert np.abs(found - template(224, 0.4)).max() < 6


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    landmarks = template(112, MARGIN) * 7
    crop = _align(stripes, landmarks, size=112, margin=MARGIN)
    # Sampling without averaging would keep the contrast of 127.
    assert crop[4:-4, 4:-4].std() < 25
    assert crop[4:-4, 4:-4].mean() == pytest.approx(127, abs=6)


def test_what_lies_outside_of_the_image_is_black() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    left_of_it = template(112, MARGIN) + np.array([-60, 0])
    crop = _align(white, left_of_it, size=112, margin=MARGIN)
    assert crop[50, 10].max() == 0
    assert crop[50, 100].min() == 255


def test_an_aligned_image_is_not_touched() -> None:
    noise = np.random.default_rng(0).normal(128, 60, (112, 112, 3))
    image = cv2.GaussianBlur(noise, (0, 0), 2.0).astype(np.uint8)
    crop = _align(image, template(112, MARGIN), size=112, margin=MARGIN)
    assert np.abs(crop.astype(int) - image).mean() < 3


def _face_in(box: BoundingBox) -> NDArray[np.float64]:
    """Landmarks of an average face in a detector's box."""
    return put_astray_right(np.zeros((1, 5, 2)) + np.arange(10).reshape(5, 2), [box])[0]


def test_landmarks_that_went_astray_give_way_to_an_average_face() -> None:
    box = BoundingBox(x=100, y=50, width=80, height=80)
    face = _face_in(box)
    eyes, nose = face[:4].mean(axis=0), face[4]
    assert eyes[0] == pytest.approx(140)
    assert nose[0] == pytest.approx(140)
    assert 50 < eyes[1] < 90 < nose[1] < 130
    astray = [
        (face - eyes) * factor + eyes + (shift, 0)
        for factor, shift in ((1.6, 0.0), (0.5, 0.0), (1.0, 25.0))
    ]
    corrected = put_astray_right(np.stack([*astray, face]), [box] * 4)
    assert corrected == pytest.approx(np.stack([face] * 4))


@given(st.floats(-40, 40), st.floats(0.85, 1.15), st.floats(-8, 8))
def test_landmarks_of_faces_that_move_in_their_box_are_kept(
    degrees: float, scale: float, shift: float
) -> None:
    box = BoundingBox(x=100, y=50, width=80, height=80)
    face = _face_in(box)
    middle = face.mean(axis=0)
    moved = _moved(face - middle, degrees=degrees, scale=scale, shift=(shift, 0)) + middle
    assert np.array_equal(put_astray_right(moved[None], [box])[0], moved)


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(0.1, 10),
    shift=st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
)
def test_the_square_of_a_face_goes_with_it(
    degrees: float, scale: float, shift: tuple[float, float]
) -> None:
    upright = template(100, 0.0)
    moved = _moved(upright, degrees=degrees, scale=scale, shift=shift)
    ((center,), (side,)) = squares_of(moved[None])
    middle = _moved(np.full((1, 2), 49.5), degrees=degrees, scale=scale, shift=shift)[0]
    assert center == pytest.approx(middle, abs=1e-6)
    assert side == pytest.approx(100 * scale)
