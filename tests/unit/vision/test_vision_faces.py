from collections.abc import Callable

import numpy as np
import pytest
from media_factory import Head, Portrait, admiral, astronaut, scenery, show
from numpy.typing import NDArray

from unmask_shared.vision.faces import DetectorName, LibFaceDetection, make_detector
from unmask_shared.vision.landmarks import embed_identity, find_landmarks, identity_chip

DETECTORS: list[DetectorName] = ["libfacedetection", "dlib-hog"]
PORTRAITS = [astronaut, admiral]


def _eyes(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([landmarks[:2].mean(axis=0), landmarks[2:4].mean(axis=0)])


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("portrait", PORTRAITS)
@pytest.mark.parametrize("eye_distance", [48.0, 70.0])
def test_the_box_goes_from_the_brows_to_the_chin(
    name: DetectorName, portrait: Callable[[], Portrait], eye_distance: float
) -> None:
    head = Head(portrait=portrait(), center=(230, 150), eye_distance=eye_distance)
    (face,) = make_detector(name).detect(show(scenery(480, 360), head))
    box = face.box
    assert box.width == pytest.approx(box.height)
    assert 1.7 * eye_distance < box.width < 3.0 * eye_distance
    assert box.center == pytest.approx((230, 150 + 0.5 * eye_distance), abs=0.35 * eye_distance)
    assert 0.8 < face.confidence <= 1


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("portrait", PORTRAITS)
@pytest.mark.parametrize("eye_distance", [48.0, 70.0])
@pytest.mark.parametrize("tilt", [-12.0, 0.0, 12.0])
def test_landmarks_find_the_eyes_in_the_boxes_of_both_detectors(
    name: DetectorName, portrait: Callable[[], Portrait], eye_distance: float, tilt: float
) -> None:
    head = Head(
        portrait=portrait(), center=(230, 150), eye_distance=eye_distance, tilt_degrees=tilt
    )
    image = show(scenery(480, 360), head)
    (face,) = make_detector(name).detect(image)
    landmarks = find_landmarks(image, face.box)
    assert np.abs(_eyes(landmarks) - head.pupils).max() < 0.12 * eye_distance
    assert landmarks[4][1] > landmarks[:4, 1].max()


@pytest.mark.parametrize("name", DETECTORS)
def test_scenery_has_no_face(name: DetectorName) -> None:
    detector = make_detector(name)
    assert all(not detector.detect(scenery(480, 360, seed=seed)) for seed in range(3))


def test_libfacedetection_finds_small_faces() -> None:
    head = Head(portrait=astronaut(), center=(200, 150), eye_distance=12)
    assert len(LibFaceDetection().detect(show(scenery(480, 360), head))) == 1


def test_libfacedetection_refuses_pictures_that_are_too_large() -> None:
    with pytest.raises(ValueError, match="961x10"):
        LibFaceDetection().detect(np.zeros((10, 961, 3), np.uint8))


def test_identities_tell_two_persons_apart_across_size_and_tilt() -> None:
    def identity(portrait: Portrait, *, eye_distance: float, tilt: float) -> NDArray[np.float64]:
        head = Head(
            portrait=portrait, center=(230, 150), eye_distance=eye_distance, tilt_degrees=tilt
        )
        image = show(scenery(480, 360), head)
        (face,) = LibFaceDetection().detect(image)
        return embed_identity(identity_chip(image, find_landmarks(image, face.box)))

    here = identity(astronaut(), eye_distance=43, tilt=0)
    there = identity(astronaut(), eye_distance=60, tilt=15)
    other = identity(admiral(), eye_distance=43, tilt=0)
    assert np.linalg.norm(here - there) < 0.4
    assert np.linalg.norm(here - other) > 0.6
