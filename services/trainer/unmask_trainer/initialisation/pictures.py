"""Pictures for a trunk to learn on before it is asked for forgeries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.initialisation.errors import UnusableWeights

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


class DrawPictures(Protocol):
    """Where pictures come from."""

    def __call__(self, rng: np.random.Generator, count: int) -> Sequence[NDArray[np.uint8]]:
        """Random pictures.

        Args:
            rng: Decides which; the same state gives the same pictures.
            count: How many.

        Returns:
            `count` times (H, W, 3) uint8 RGB.
        """
        ...


class PictureFolder:
    """Pictures of a folder and the folders within it."""

    def __init__(self, folder: Path) -> None:
        """List the pictures.

        Raises:
            UnusableWeights: When there is none.
        """
        self._paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        if not self._paths:
            raise UnusableWeights(
                f"{folder} has no pictures to learn on: need files ending in "
                f"{', '.join(sorted(_SUFFIXES))}."
            )

    def __call__(self, rng: np.random.Generator, count: int) -> list[NDArray[np.uint8]]:
        """Read random pictures of the folder, see `DrawPictures`.

        Raises:
            UnusableWeights: When one cannot be decoded.
        """
        return [_read(self._paths[i]) for i in rng.integers(len(self._paths), size=count)]


def random_squares(
    pictures: Sequence[NDArray[np.uint8]], side: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A random square of each picture, half of them mirrored.

    Args:
        pictures: (H, W, 3) uint8 each, of any sizes.
        side: What the squares are scaled to, in pixels.
        rng: Decides where they are.

    Returns:
        (N, side, side, 3) uint8.
    """
    return np.stack([_random_square(picture, side, rng) for picture in pictures])


def whole_squares(pictures: Sequence[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    """The pictures themselves, scaled: (N, side, side, 3) uint8."""
    return np.stack([_scaled(picture, side) for picture in pictures])


def _random_square(
    picture: NDArray[np.uint8], side: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    cut = round(min(height, width) * rng.uniform(0.6, 1.0))
    top, left = rng.integers(height - cut + 1), rng.integers(width - cut + 1)
    square = _scaled(picture[top : top + cut, left : left + cut], side)
    return square[:, ::-1] if rng.random() < 0.5 else square


def _scaled(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    shrinks = side < picture.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), np.uint8)


def _read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UnusableWeights(f"{path} is no picture that can be decoded: take it out.")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
