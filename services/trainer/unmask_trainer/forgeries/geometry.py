"""Where a face and its parts lie, from five landmarks.

Coordinates "of the face" have their origin between the eyes, x to the right and y down in the
picture, and the distance between the centres of the eyes as their unit. A similarity transform
takes them into the frame. Five points are enough for soft masks, and dlib's five-point model may be
used commercially, which its 68-point model may not.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.align import similarity

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Left to right in the picture, as `unmask_shared.vision.landmarks` gives them: corners of one eye,
# corners of the other, base of the nose.
_TEMPLATE: Points = np.array([(-0.7, 0), (-0.3, 0), (0.3, 0), (0.7, 0), (0, 0.75)], np.float64)
_OUTLINE_POINTS = 64
# Middle of a face below the point between the eyes, in eye distances.
CENTER_Y = 0.55


class Region(StrEnum):
    """Parts of a face that forgeries replace."""

    FACE = "face"
    INNER_FACE = "inner_face"
    MOUTH = "mouth"
    EYES = "eyes"


# Centre y, half width, half height of an ellipse, in eye distances.
_ELLIPSES = {
    Region.FACE: (0.55, 1.08, 1.35),
    Region.INNER_FACE: (0.5, 0.85, 1.0),
    Region.MOUTH: (1.2, 0.75, 0.55),
    Region.EYES: (0.0, 1.0, 0.45),
}


@dataclass(frozen=True, kw_only=True)
class Outline:
    """An ellipse whose border is bent by a few slow waves.

    Attributes:
        region: The part of the face that it covers.
        stretch: Factors on width and height.
        waves: (K, 2) amplitude, relative to the radius, and phase of the 2nd, 3rd, ... harmonic.
    """

    region: Region
    stretch: tuple[float, float] = (1.0, 1.0)
    waves: tuple[tuple[float, float], ...] = ()

    def points(self) -> Points:
        """The border as a closed polygon (64, 2) in coordinates of the face."""
        angle = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)
        radius = np.ones_like(angle)
        for order, (amplitude, phase) in enumerate(self.waves, start=2):
            radius += amplitude * np.cos(order * angle + phase)
        center_y, half_width, half_height = _ELLIPSES[self.region]
        x = self.stretch[0] * half_width * radius * np.cos(angle)
        y = center_y + self.stretch[1] * half_height * radius * np.sin(angle)
        return np.stack([x, y], axis=1)


def face_to_frame(landmarks: Points) -> Matrix:
    """The similarity (2, 3) that best takes the face's coordinates to a frame's pixels.

    Args:
        landmarks: (5, 2) in pixels, left to right.
    """
    return similarity(_TEMPLATE, landmarks)


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The affine map (2, 3) that applies `inner` first, then `outer`."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def about(
    pivot: Points, *, scale: float, turn: float, shift: Points | tuple[float, float]
) -> Matrix:
    """The similarity (2, 3) that scales and turns about a point (2,), then shifts.

    Args:
        pivot: Stays where it is but for the shift.
        scale: Factor.
        turn: In radians.
        shift: (2,) in the same unit as the pivot.
    """
    cosine, sine = np.cos(turn) * scale, np.sin(turn) * scale
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, pivot - linear @ pivot + np.array(shift)])


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of an affine map (2, 3)."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix: Matrix, points: Points) -> Points:
    """Map points (N, 2)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def face_coordinates(pose: Matrix, size: tuple[int, int]) -> NDArray[np.float32]:
    """The face's coordinates (h, w, 2) of each pixel of a patch."""
    back = inverse(pose)
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])[None]
    x = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    y = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    return np.stack([x, y], axis=2).astype(np.float32)


def soft_mask(
    outline: Outline, to_frame: Matrix, *, size: tuple[int, int], feather: float
) -> NDArray[np.float32]:
    """The outline as an opacity that falls off smoothly at its border.

    Args:
        outline: In coordinates of the face.
        to_frame: From the face's coordinates to pixels.
        size: Height and width of the result.
        feather: Width of the border, in eye distances.

    Returns:
        (H, W) in [0, 1]; 0 beyond the outline widened by 3 x `feather`.
    """
    mask = filled(apply(to_frame, outline.points()), size)
    eye_distance = float(np.sqrt(abs(np.linalg.det(to_frame[:, :2]))))
    return feathered(mask, feather * eye_distance)


def filled(polygon: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """A polygon (N, 2) in pixels as an opacity (H, W) in [0, 1] with a smooth edge."""
    mask = np.zeros(size, np.uint8)
    # Sixteenths of a pixel: a mask that jumped by whole pixels would flicker as the face moves.
    cv2.fillPoly(mask, [np.round(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(mask / np.float32(255), np.float32)


def feathered(mask: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur a mask by `sigma` pixels; it stays 0 beyond 3 x `sigma` from its edge."""
    sigma = max(0.6, sigma)
    kernel = 2 * int(np.ceil(3 * sigma)) + 1
    soft = cv2.GaussianBlur(mask, (kernel, kernel), sigma)
    return np.asarray(np.clip(soft, 0, 1), np.float32)
