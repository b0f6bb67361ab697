import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_factory import Head, Portrait, admiral, astronaut, scenery, show
from numpy.typing import NDArray
from toy_yunet import HEIGHT, WIDTH, toy_yunet
from vision_helpers import picture_of

from unmask_shared.errors import DetectorUnavailable
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
    landmarks = find_landmarks(picture_of(image), face.box)
    assert np.abs(_eyes(landmarks) - head.pupils).max() < 0.12 * eye_distance
    assert landmarks[4][1] > landmarks[:4, 1].max()


@pytest.mark.parametrize("name", DETECTORS)
def test_scenery_has_no_face(name: DetectorName) -> None:
    detector = make_detector(name)
    assert all(not detector.detect(scenery(480, 360, seed=seed)) for seed in range(3))


def test_libfacedetection_finds_small_faces() -> None:
    head = Head(portrait=astronaut(), center=(200, 150), eye_distance=12)
    assert len(LibFaceDetection().detect(show(scenery(480, 360), head))) == 1


@pytest.mark.parametrize("eye_distance", [12.0, 24.0])
def test_libfacedetection_is_surer_of_the_colours_of_skin(eye_distance: float) -> None:
    """Its package's documentation asks for the other order, which finds fewer faces."""
    head = Head(portrait=astronaut(), center=(100, 75), eye_distance=eye_distance)
    image = show(scenery(240, 180), head)
    (face,) = LibFaceDetection().detect(image)
    swapped = LibFaceDetection().detect(np.ascontiguousarray(image[..., ::-1]))
    assert all(face.confidence > blue.confidence for blue in swapped)


def test_libfacedetection_refuses_pictures_that_are_too_large() -> None:
    with pytest.raises(ValueError, match="961x10"):
        LibFaceDetection().detect(np.zeros((10, 961, 3), np.uint8))


@pytest.fixture
def bright_spots(tmp_path: Path) -> Path:
    """A model with YuNet's inputs and outputs that takes bright spots for faces."""
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_yunet())
    return path


@pytest.mark.parametrize(("width", "height"), [(320, 320), (400, 250), (128, 96)])
def test_yunet_runs_a_model_from_a_file_on_pictures_of_any_size(
    bright_spots: Path, width: int, height: int
) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[48:64, 64:80] = 255
    (face,) = make_detector("yunet", yunet_model=bright_spots).detect(image)
    assert face.box.width == face.box.height == pytest.approx(0.97 * (WIDTH * HEIGHT) ** 0.5)
    assert face.box.center == pytest.approx((72, 56 + 0.07 * HEIGHT))
    assert face.confidence == pytest.approx(1, abs=1e-4)


def test_yunet_finds_nothing_in_the_dark(bright_spots: Path) -> None:
    detector = make_detector("yunet", yunet_model=bright_spots)
    assert detector.detect(np.full((200, 300, 3), 100, np.uint8)) == []


def test_yunet_needs_a_path() -> None:
    with pytest.raises(DetectorUnavailable, match="needs the path"):
        make_detector("yunet")


def test_a_missing_yunet_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(DetectorUnavailable, match=r"no YuNet model at .*/gone\.onnx"):
        make_detector("yunet", yunet_model=tmp_path / "gone.onnx")


@pytest.mark.parametrize("content", [b"version https://git-lfs", toy_yunet(with_points=False)])
def test_what_is_not_a_yunet_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(DetectorUnavailable, match=r"other\.onnx is not a YuNet"):
        make_detector("yunet", yunet_model=path)


_SEARCH_IN_A_FORK_WITHOUT_FILES = """
import os, resource, sys
from pathlib import Path
import numpy as np
from unmask_shared.vision.faces import make_detector

name, model = sys.argv[1:]
make_detector(name, yunet_model=Path(model))
assert len(os.listdir("/proc/self/task")) == 1, "loading left a thread behind"
child = os.fork()
if child == 0:
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    make_detector(name, yunet_model=Path(model)).detect(np.zeros((96, 128, 3), np.uint8))
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("name", ["libfacedetection", "yunet", "dlib-hog"])
def test_a_detector_that_is_loaded_works_in_forks_that_cannot_open_files(
    name: DetectorName, bright_spots: Path
) -> None:
    command = [sys.executable, "-c", _SEARCH_IN_A_FORK_WITHOUT_FILES, name, str(bright_spots)]
    subprocess.run(command, check=True, timeout=60, env={"OPENBLAS_NUM_THREADS": "1"})


def test_identities_tell_two_persons_apart_across_size_and_tilt() -> None:
    def identity(portrait: Portrait, *, eye_distance: float, tilt: float) -> NDArray[np.float64]:
        head = Head(
            portrait=portrait, center=(230, 150), eye_distance=eye_distance, tilt_degrees=tilt
        )
        image = show(scenery(480, 360), head)
        (face,) = LibFaceDetection().detect(image)
        picture = picture_of(image)
        landmarks = find_landmarks(picture, face.box)
        return embed_identity(identity_chip(picture, landmarks))

    here = identity(astronaut(), eye_distance=43, tilt=0)
    there = identity(astronaut(), eye_distance=60, tilt=15)
    other = identity(admiral(), eye_distance=43, tilt=0)
    assert np.linalg.norm(here - there) < 0.4
    assert np.linalg.norm(here - other) > 0.6
