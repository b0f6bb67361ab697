"""Takes places of one face to the same parts of another one, piece by piece.

Matching points of both faces, a Delaunay triangulation of them, and an affine map for each
triangle, as landmark-based face swaps do it. The map is kept on a coarse grid in the face's
coordinates: resizing that is far quicker than warping triangle by triangle, and leaves no creases.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from unmask_trainer.forgeries.fields import GRID, grid_points
from unmask_trainer.forgeries.geometry import CENTER_Y, Points

# Far around both faces nothing is bent: fixed points that close the triangulation.
_FAR: Final = 3.2
_FRAME: Final = np.array(
    [(x * _FAR, CENTER_Y + y * _FAR) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
)


def face_to_face(here: Points, there: Points) -> NDArray[np.float32]:
    """Where in another face each part of this one lies.

    Args:
        here: Points (N, 2) of this face, in its coordinates.
        there: The same parts of the other face, in the other's coordinates.

    Returns:
        (GRID, GRID, 2) coordinates in the other face; see `fields`.
    """
    triangles = Delaunay(np.concatenate([here, _FRAME]))
    found = LinearNDInterpolator(triangles, np.concatenate([there, _FRAME]))(grid_points())
    return np.asarray(found, np.float32).reshape(GRID, GRID, 2)
