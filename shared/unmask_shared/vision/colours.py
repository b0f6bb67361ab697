"""From stored brightness and colour differences (YCbCr) to RGB, by the standard of the video."""

from functools import cache
from typing import Final

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

# Weights of red and blue in brightness, by FFmpeg's number of the colour space: ITU-R BT.709, FCC,
# BT.601 (both spellings), SMPTE 240M, BT.2020 (both spellings).
_WEIGHTS: Final = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
BT709: Final = 1
BT601: Final = 5
# Players take untagged video of at least this height for BT.709, below for BT.601.
_HD_HEIGHT: Final = 720
_FULL_RANGE: Final = 2


def colour_space(picture: VideoFrame) -> int:
    """FFmpeg's number of the colour space, guessed as players do where the video does not say."""
    known = int(picture.colorspace)
    if known in _WEIGHTS:
        return known
    return BT709 if picture.height >= _HD_HEIGHT else BT601


def has_full_range(picture: VideoFrame) -> bool:
    """Whether black is 0 and white 255, not 16 and 235."""
    return picture.format.name.startswith("yuvj") or int(picture.color_range) == _FULL_RANGE


def brightness_scale(*, full_range: bool) -> tuple[float, float]:
    """Factor and offset from stored brightness to grey levels from 0 to 255."""
    return (1.0, 0.0) if full_range else (255 / 219, -16 * 255 / 219)


@cache
def rgb_matrix(space: int, *, full_range: bool) -> NDArray[np.float32]:
    """The affine map from a stored pixel to RGB, both 0 to 255.

    Args:
        space: FFmpeg's number of the colour space, one that `colour_space` returns.
        full_range: See `has_full_range`.

    Returns:
        `(3, 4)` float32: the linear part and the offset.
    """
    red, blue = _WEIGHTS[space]
    green = 1 - red - blue
    scale, offset = brightness_scale(full_range=full_range)
    chroma = 2.0 if full_range else 2.0 * 255 / 224
    linear = np.array(
        [
            [scale, 0.0, chroma * (1 - red)],
            [
                scale,
                -chroma * (1 - blue) * blue / green,
                -chroma * (1 - red) * red / green,
            ],
            [scale, chroma * (1 - blue), 0.0],
        ]
    )
    offsets = offset - 128 * linear[:, 1:].sum(axis=1)
    return np.column_stack([linear, offsets]).astype(np.float32)
