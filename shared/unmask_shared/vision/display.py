"""How the stored pixels of a video are meant to be shown: proportions, turn, mirroring, colours."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

# Sample aspect ratios outside of this range are damaged headers, and ones this close to 1 are
# rounding of the encoder (854 instead of 853.33): neither is worth resampling every pixel.
_PLAUSIBLE_ASPECT: Final = (0.25, 4.0)
_NEARLY_SQUARE: Final = 0.01
# Players take untagged video of at least this height for BT.709, below for BT.601.
_HD_HEIGHT: Final = 720


@dataclass(frozen=True, kw_only=True)
class Display:
    """The picture that a player would show for a stream.

    Attributes:
        stored_width: Width in pixels after the sample aspect ratio, before the turn.
        stored_height: Height in pixels before the turn.
        quarter_turns: Clockwise turns by 90 degrees, 0 to 3.
        mirrored: Whether left and right are swapped before the turn.
    """

    stored_width: int
    stored_height: int
    quarter_turns: int
    mirrored: bool

    @property
    def width(self) -> int:
        """Width of the shown picture, in pixels."""
        return self.stored_height if self.quarter_turns % 2 else self.stored_width

    @property
    def height(self) -> int:
        """Height of the shown picture, in pixels."""
        return self.stored_width if self.quarter_turns % 2 else self.stored_height

    def rgb(self, picture: VideoFrame, *, long_side: int | None = None) -> NDArray[np.uint8]:
        """Convert a decoded picture to what is shown.

        Pictures of another size (streams may change theirs) are scaled to this display.

        Args:
            picture: The decoded frame.
            long_side: Shrink so that the longer side has this many pixels; never enlarges.

        Returns:
            `(H, W, 3)` uint8 RGB, contiguous.
        """
        shrink = min(1.0, (long_side or math.inf) / max(self.stored_width, self.stored_height))
        width = max(1, round(self.stored_width * shrink))
        height = max(1, round(self.stored_height * shrink))
        shrinking = width * height < picture.width * picture.height
        pixels = picture.to_ndarray(
            format="rgb24",
            width=width,
            height=height,
            interpolation=Interpolation.AREA if shrinking else Interpolation.BICUBIC,
            src_colorspace=_colorspace(picture),
            threads=1,
        ).astype(np.uint8, copy=False)
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, -self.quarter_turns))


def display_of(picture: VideoFrame, sample_aspect_ratio: float | None) -> Display:
    """Read the display of a stream from its first decoded picture.

    Args:
        picture: The first decoded frame, with its display matrix if the container has one.
        sample_aspect_ratio: Width of one stored pixel in heights of it; None means square.
    """
    quarter_turns, mirrored = _orientation(picture)
    return Display(
        stored_width=max(1, round(picture.width * _stretch(sample_aspect_ratio))),
        stored_height=picture.height,
        quarter_turns=quarter_turns,
        mirrored=mirrored,
    )


def _stretch(sample_aspect_ratio: float | None) -> float:
    if not sample_aspect_ratio or abs(sample_aspect_ratio - 1) < _NEARLY_SQUARE:
        return 1.0
    low, high = _PLAUSIBLE_ASPECT
    return sample_aspect_ratio if low <= sample_aspect_ratio <= high else 1.0


def _orientation(picture: VideoFrame) -> tuple[int, bool]:
    """Clockwise quarter turns and mirroring of FFmpeg's 3x3 fixed-point display matrix.

    The matrix maps a stored point (x, y) to (a x + c y, b x + d y), with y pointing down.
    """
    # The container is keyed by type, but annotated as keyed by strings.
    side_data: Any = picture.side_data
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    if matrix is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].astype(np.float64)
    mirrored = bool(a * d - b * c < 0)
    if mirrored:
        a, b = -a, -b
    return round(math.degrees(math.atan2(b, a)) / 90) % 4, mirrored


def _colorspace(picture: VideoFrame) -> Colorspace | None:
    """What to read the colours as where the stream does not say; None keeps the stream's own."""
    if picture.colorspace != _UNSPECIFIED_COLORSPACE:
        return None
    return Colorspace.ITU709 if picture.height >= _HD_HEIGHT else Colorspace.ITU601


_UNSPECIFIED_COLORSPACE: Final = 2
