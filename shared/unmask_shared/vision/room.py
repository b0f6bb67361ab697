"""Memory for pixels that are kept until the end of a video."""

from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

_PART_BYTES: Final = 16 << 20


class Room:
    """Hands out arrays from large parts of memory.

    NumPy asks the kernel for huge pages for these, and the allocator keeps them at hand from video
    to video. What comes anew for each face, in pages of 4 KiB, costs more than filling it.
    """

    def __init__(self) -> None:
        """Start without any memory."""
        self._rest = np.empty(0, np.uint8)

    def take(self, *shape: int) -> NDArray[np.uint8]:
        """An array of this shape with anything in it, contiguous."""
        count = prod(shape)
        if count > len(self._rest):
            self._rest = np.empty(max(count, _PART_BYTES), np.uint8)
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken.reshape(shape)
