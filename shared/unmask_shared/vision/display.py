"""How the stored pixels of a video are meant to be shown: proportions, turn, mirroring."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

from unmask_shared.vision.affine import Affine

# Sample aspect ratios outside of this range are damaged headers, and ones this close to 1 are
# rounding of the encoder (854 instead of 853.33): neither is worth resampling every pixel.
_PLAUSIBLE_ASPECT: Final = (0.25, 4.0)
_NEARLY_SQUARE: Final = 0.01


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

    def to_stored(self) -> Affine:
        """Where the shown points lie in the stored picture, whose sides are taken as 1.

        Pictures of any size are stretched to this display so. In pixels of the shown picture, the
        corner of the first one is (0, 0).
        """
        x, y = 1 / self.width, 1 / self.height
        turned_back = (
            Affine(x, 0, 0, 0, y, 0),
            Affine(0, y, 0, -x, 0, 1),
            Affine(-x, 0, 1, 0, -y, 1),
            Affine(0, -y, 1, x, 0, 0),
        )[self.quarter_turns]
        return Affine(-1, 0, 1, 0, 1, 0).after(turned_back) if self.mirrored else turned_back


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
