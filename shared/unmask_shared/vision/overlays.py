"""Pictures of faces with their 68 landmarks drawn in, for people to look at.

dlib's 68-point model was trained on the iBUG 300-W pictures, whose licence excludes commercial
use. Nothing else in Unmask uses it, and it is loaded only where an overlay is asked for.
"""

from functools import cache
from typing import Any, Final

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.align import Landmarks, crop_matrix
from unmask_shared.vision.landmarks import model_file
from unmask_shared.vision.picture import Picture

_SIDE: Final = 384
_MARGIN: Final = 0.35
# The points of each feature, and whether its line is closed: Sagonas et al., "300 Faces
# in-the-Wild Challenge", ICCV 2013.
_FEATURES: Final = (
    (range(0, 17), False),  # jaw
    (range(17, 22), False),  # brows
    (range(22, 27), False),
    (range(27, 31), False),  # bridge of the nose
    (range(30, 36), False),  # base of the nose
    (range(36, 42), True),  # eyes
    (range(42, 48), True),
    (range(48, 60), True),  # lips, outside and inside
    (range(60, 68), True),
)
_LINE: Final = (0, 255, 200)
_POINT: Final = (255, 255, 0)


def draw_landmarks(picture: Picture, box: BoundingBox, landmarks: Landmarks) -> NDArray[np.uint8]:
    """Show a face upright with its 68 landmarks (Kazemi and Sullivan, 2014).

    Args:
        picture: Shows the face.
        box: The square that a `FaceDetector` returned.
        landmarks: What `find_landmarks` returned for it.

    Returns:
        `(384, 384, 3)` uint8 RGB.
    """
    matrix = crop_matrix(landmarks, size=_SIDE, margin=_MARGIN)
    portrait = picture.patch(matrix, _SIDE, _SIDE)
    x, y = matrix @ (*box.center, 1.0)
    half = box.width * float(np.hypot(matrix[0, 0], matrix[1, 0])) / 2
    square = dlib.rectangle(*(round(edge) for edge in (x - half, y - half, x + half, y + half)))
    parts = _predictor()(portrait, square).parts()
    points = np.array([(point.x, point.y) for point in parts], dtype=np.int32)
    for indices, closed in _FEATURES:
        cv2.polylines(portrait, [points[indices]], closed, _LINE, 1, cv2.LINE_AA)
    for point in points.tolist():
        cv2.circle(portrait, point, 2, _POINT, cv2.FILLED, cv2.LINE_AA)
    return portrait


@cache
def _predictor() -> Any:
    return dlib.shape_predictor(str(model_file("shape_predictor_68_face_landmarks.dat")))
