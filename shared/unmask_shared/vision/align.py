"""From landmarks to upright face crops of one size.

The similarity transform (turn, scale, shift; no shear, so proportions stay) that brings five
landmarks closest to a fixed template in the least-squares sense (Umeyama, 1991).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox

Landmarks = NDArray[np.float64]
"""`(5, 2)` pixel coordinates, left to right in the picture: see `landmarks.find_landmarks`."""

# Median over 395 portraits, made symmetric, in distances between the centres of the eyes, from the
# point between the eyes: corners of the left eye, corners of the right one, base of the nose.
_FACE_SHAPE: Final = np.array(
    [[-0.695, 0.0], [-0.305, 0.0], [0.305, 0.0], [0.695, 0.0], [0.0, 0.76]], dtype=np.float64
)
# In the same unit: the square from the hairline to the chin, and how far its centre lies below
# the eyes.
_FACE_SIDE: Final = 2.6
_FACE_CENTER_DROP: Final = 0.25
_SMOOTHING_FRAMES: Final = 1.5
# The shape as complex numbers around its mean, and where the square's centre lies from there.
_CENTERED_SHAPE: Final = (_FACE_SHAPE - _FACE_SHAPE.mean(axis=0)) @ (1, 1j)
_SHAPE_TO_CENTER: Final = complex(
    -_FACE_SHAPE[:, 0].mean(), _FACE_CENTER_DROP - _FACE_SHAPE[:, 1].mean()
)
# The square from the hairline to the chin against the box of a detector, over 8,000 frames: ratio
# of the sides (0.87 to 1.16 in 99 %), and how far its centre lies above the box's, in sides of the
# box (within 0.23 of it in 99 %).
_SIDE_IN_BOXES: Final = 1.03
_CENTER_ABOVE: Final = 0.11
_MOST_SIDE_ERROR: Final = 0.4
_MOST_SHIFT: Final = 0.25


def template(size: int, margin: float) -> Landmarks:
    """Where the landmarks lie in a crop.

    Args:
        size: Side of the crop, in pixels.
        margin: Context on each side of the square from hairline to chin, as a fraction of it.

    Returns:
        `(5, 2)` float64 pixel coordinates.
    """
    unit = size / (_FACE_SIDE * (1 + 2 * margin))
    center = np.array([0.0, _FACE_CENTER_DROP])
    # Pixel centres lie at whole numbers, so the middle of the crop is at (size - 1) / 2.
    points: Landmarks = (_FACE_SHAPE - center) * unit + (size - 1) / 2
    return points


def similarity(source: NDArray[np.float64], target: Landmarks) -> NDArray[np.float64]:
    """The least-squares similarity from `source` points to `target`.

    Args:
        source: `(5, 2)`, or those of several faces, `(..., 5, 2)`.
        target: `(5, 2)`.

    Returns:
        The `(2, 3)` matrix, or one for each face, `(..., 2, 3)`.
    """
    # Over complex numbers a turn with scale is one factor, and least squares is one division.
    a, b = _as_complex(source), _as_complex(target)
    a_mean, b_mean = a.mean(axis=-1, keepdims=True), b.mean()
    turned_back = (a - a_mean).conj()
    factor = (turned_back * (b - b_mean)).sum(axis=-1) / (np.abs(turned_back) ** 2).sum(axis=-1)
    shift = b_mean - factor * a_mean[..., 0]
    rows = [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _as_complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    return points[..., 0] + 1j * points[..., 1]


def smooth(tracked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth landmarks over consecutive frames so that crops do not jitter.

    A symmetric Gaussian window, cut off and renormalised at both ends, so nothing lags behind.

    Args:
        tracked: `(N, 5, 2)` landmarks of N consecutive frames.

    Returns:
        The same shape.
    """
    distance = np.subtract.outer(np.arange(len(tracked)), np.arange(len(tracked)))
    weights = np.exp(-0.5 * (distance / _SMOOTHING_FRAMES) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    smoothed: NDArray[np.float64] = np.einsum("nm,mkc->nkc", weights, tracked)
    return smoothed


def crop_matrix(landmarks: NDArray[np.float64], *, size: int, margin: float) -> NDArray[np.float64]:
    """The similarity from the picture to an upright crop of a face.

    Args:
        landmarks: `(5, 2)` points of the picture, or those of several faces, `(..., 5, 2)`.
        size: Side of the crop, in pixels.
        margin: See `template`.

    Returns:
        The `(2, 3)` matrix, or one for each face, `(..., 2, 3)`.
    """
    return similarity(landmarks, template(size, margin))


def squares_of(landmarks: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The square from the hairline to the chin of each face, upright or turned.

    Args:
        landmarks: `(N, 5, 2)`.

    Returns:
        Centres `(N, 2)` and sides `(N,)`.
    """
    means = landmarks.mean(axis=1)
    points = (landmarks[..., 0] - means[:, :1]) + 1j * (landmarks[..., 1] - means[:, 1:])
    # The least-squares similarity from the shape to the points, as one factor.
    factors = points @ _CENTERED_SHAPE.conj() / np.vdot(_CENTERED_SHAPE, _CENTERED_SHAPE).real
    shifts = factors * _SHAPE_TO_CENTER
    centers = means + np.stack([shifts.real, shifts.imag], axis=1)
    return centers, _FACE_SIDE * np.abs(factors)


def put_astray_right(
    landmarks: NDArray[np.float64], boxes: Sequence[BoundingBox]
) -> NDArray[np.float64]:
    """Landmarks with those of an average face where they cannot be right.

    Args:
        landmarks: `(N, 5, 2)` as located; behind hands and on profiles they go astray.
        boxes: The square of each face that a detector found, or that lies between two of them.

    Returns:
        `(N, 5, 2)`.
    """
    widths = np.array([box.width for box in boxes])
    expected = np.array([box.center for box in boxes])
    expected[:, 1] -= _CENTER_ABOVE * widths
    centers, sides = squares_of(landmarks)
    shift = np.hypot(*(centers - expected).T) / widths
    side_error = np.abs(sides / (_SIDE_IN_BOXES * widths) - 1)
    units = _SIDE_IN_BOXES * widths / _FACE_SIDE
    average = (_FACE_SHAPE - (0.0, _FACE_CENTER_DROP)) * units[:, None, None] + expected[:, None]
    astray = (side_error > _MOST_SIDE_ERROR) | (shift > _MOST_SHIFT)
    return np.where(astray[:, None, None], average, landmarks)
