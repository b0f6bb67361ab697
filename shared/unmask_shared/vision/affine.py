"""Affine maps of the plane, as six plain numbers: far quicker than small arrays."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Affine(NamedTuple):
    """Maps (x, y) to (xx x + xy y + x0, yx x + yy y + y0)."""

    xx: float
    xy: float
    x0: float
    yx: float
    yy: float
    y0: float

    @classmethod
    def of(cls, matrix: NDArray[np.float64]) -> Self:
        """From a `(2, 3)` matrix."""
        return cls(*matrix.ravel().tolist())

    def matrix(self) -> NDArray[np.float64]:
        """As a `(2, 3)` matrix."""
        return np.array(self).reshape(2, 3)

    @property
    def area(self) -> float:
        """What becomes of an area of 1."""
        return abs(self.xx * self.yy - self.xy * self.yx)

    def after(self, first: "Affine") -> "Affine":
        """The map that applies `first` and then this one."""
        return Affine(
            self.xx * first.xx + self.xy * first.yx,
            self.xx * first.xy + self.xy * first.yy,
            self.xx * first.x0 + self.xy * first.y0 + self.x0,
            self.yx * first.xx + self.yy * first.yx,
            self.yx * first.xy + self.yy * first.yy,
            self.yx * first.x0 + self.yy * first.y0 + self.y0,
        )

    def inverse(self) -> "Affine":
        """The map back.

        Raises:
            ZeroDivisionError: There is none.
        """
        determinant = self.xx * self.yy - self.xy * self.yx
        xx, xy = self.yy / determinant, -self.xy / determinant
        yx, yy = -self.yx / determinant, self.xx / determinant
        return Affine(
            xx, xy, -(xx * self.x0 + xy * self.y0), yx, yy, -(yx * self.x0 + yy * self.y0)
        )


def scaling(x: float, y: float) -> Affine:
    """Stretches by these factors."""
    return Affine(x, 0.0, 0.0, 0.0, y, 0.0)


def shift(x: float, y: float) -> Affine:
    """Moves by this much."""
    return Affine(1.0, 0.0, x, 0.0, 1.0, y)
