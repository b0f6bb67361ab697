"""Smooth functions of a place in the face, kept on a coarse grid and brought to pixels."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.forgeries.geometry import CENTER_Y, Matrix, Points, compose

# The grid covers the same square around the face as the patches, and a little more.
_HALF: Final = 2.6
GRID: Final = 40


def grid_points() -> Points:
    """The places (GRID x GRID, 2) of the grid's values, row by row, in the face's coordinates."""
    axis = np.linspace(-_HALF, _HALF, GRID)
    x, y = np.meshgrid(axis, axis + CENTER_Y)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def to_pixels(
    values: NDArray[np.float32], pose: Matrix, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Interpolate a field for each pixel of a patch.

    Args:
        values: (GRID, GRID, C), C up to 4.
        pose: From the face's coordinates to pixels of the patch.
        size: Height and width of the patch.

    Returns:
        (h, w, C); beyond the grid its border values go on.
    """
    step = 2 * _HALF / (GRID - 1)
    grid_to_face = np.array([[step, 0, -_HALF], [0, step, CENTER_Y - _HALF]])
    seen = cv2.warpAffine(
        values,
        compose(pose, grid_to_face),
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(seen, np.float32)


def draw_bend(rng: np.random.Generator, amplitude: float, *, knots: int = 5) -> NDArray[np.float32]:
    """A random smooth displacement (GRID, GRID, 2) of up to `amplitude` eye distances."""
    coarse = rng.uniform(-1, 1, (knots, knots, 2)) * amplitude
    return np.asarray(cv2.resize(coarse, (GRID, GRID), interpolation=cv2.INTER_CUBIC), np.float32)
