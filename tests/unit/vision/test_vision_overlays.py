import numpy as np
import pytest
from media_factory import Head, astronaut, scenery, show
from numpy.typing import NDArray
from vision_helpers import picture_of

from unmask_shared.vision.align import crop_matrix
from unmask_shared.vision.faces import LibFaceDetection
from unmask_shared.vision.landmarks import find_landmarks
from unmask_shared.vision.overlays import draw_landmarks

SIDE = 384
# As in `overlays`: the crop that is drawn on, and the colour of the points.
MARGIN = 0.35
POINTS = (255, 255, 0)


def _overlay(head: Head) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The overlay of a head, and where its pupils are in it, left and right."""
    pixels = show(scenery(480, 360), head)
    picture = picture_of(pixels)
    (face,) = LibFaceDetection().detect(pixels)
    landmarks = find_landmarks(picture, face.box)
    matrix = crop_matrix(landmarks, size=SIDE, margin=MARGIN)
    pupils = head.pupils @ matrix[:, :2].T + matrix[:, 2]
    return draw_landmarks(picture, face.box, landmarks), pupils


@pytest.mark.parametrize("tilt", [-20, 0, 20])
@pytest.mark.parametrize("eye_distance", [24, 60])
def test_points_surround_the_eyes_and_outline_the_chin(eye_distance: float, tilt: float) -> None:
    head = Head(
        portrait=astronaut(), center=(240, 170), eye_distance=eye_distance, tilt_degrees=tilt
    )
    overlay, pupils = _overlay(head)
    assert overlay.shape == (SIDE, SIDE, 3)
    assert overlay.dtype == np.uint8
    # The face is upright, whatever its tilt in the video.
    left, right = pupils
    unit = right[0] - left[0]
    assert abs(right[1] - left[1]) < 0.1 * unit
    drawn = np.argwhere((overlay == POINTS).all(axis=2))[:, ::-1]
    for pupil in pupils:
        around = (drawn - pupil) / unit
        near = around[np.hypot(*around.T) < 0.4]
        # The corners at both sides, and the lids above and below, of an eye that is open.
        assert near[:, 0].min() < -0.15
        assert near[:, 0].max() > 0.15
        assert near[:, 1].min() < -0.05
        assert near[:, 1].max() > 0.03
    lowest = (drawn[:, 1].max() - left[1]) / unit
    # 178 - 101 rows of the portrait, for pupils 43 columns apart.
    assert lowest == pytest.approx(77 / 43, abs=0.25)


def test_the_picture_between_the_lines_is_untouched() -> None:
    head = Head(portrait=astronaut(), center=(240, 170), eye_distance=60)
    pixels = show(scenery(480, 360), head)
    picture = picture_of(pixels)
    (face,) = LibFaceDetection().detect(pixels)
    landmarks = find_landmarks(picture, face.box)
    plain = picture.patch(crop_matrix(landmarks, size=SIDE, margin=MARGIN), SIDE, SIDE)
    overlay = draw_landmarks(picture, face.box, landmarks)
    changed = (overlay != plain).any(axis=2).mean()
    assert 0.01 < changed < 0.1
