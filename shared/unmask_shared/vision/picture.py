"""A decoded picture, of which only those pixels are converted that somebody looks at.

Faces fill a small part of most pictures. Converting, turning or shrinking whole frames to RGB
would cost more than decoding them, so everything is cut out of the decoder's own planes.
"""

import math
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from unmask_shared.vision.affine import Affine, scaling, shift
from unmask_shared.vision.colours import (
    BT601,
    brightness_scale,
    colour_space,
    has_full_range,
    rgb_matrix,
)
from unmask_shared.vision.display import Display

Plane = NDArray[np.uint8]

# Formats with one byte per sample, one plane each for brightness and both colour differences.
_PLANAR: Final = frozenset(
    f"{family}{layout}p"
    for family in ("yuv", "yuvj", "yuva")
    for layout in ("410", "411", "420", "422", "440", "444")
)
# Beyond this many pixels a side faces are larger than any crop, and 16 frames fill the memory.
_LARGEST_SIDE: Final = 1920
# From this many source pixels for one pixel on, samples are taken finely and averaged.
_COARSE: Final = 0.75
_NEUTRAL: Final = 128


class Picture:
    """One decoded picture, in the coordinates in which it is shown.

    Points are in pixels of the shown picture (turned upright, with square pixels); the centre of
    its first pixel is (0, 0).

    Attributes:
        display: How the picture is shown.
    """

    def __init__(self, frame: VideoFrame, display: Display) -> None:
        """Take over a decoded frame.

        Args:
            frame: As the decoder left it; formats that cannot be read directly are converted.
            display: That of the stream; pictures of another size are stretched to it.
        """
        self.display = display
        self._to_stored = display.to_stored().after(shift(0.5, 0.5))
        full_range = has_full_range(frame)
        space = colour_space(frame)
        if frame.format.name not in _PLANAR:
            if not _is_yuv(frame):
                space = BT601
            frame, full_range = _as_planar(frame), False
        shrink = max(1, math.ceil(max(frame.width, frame.height) / _LARGEST_SIDE))
        planes = [_view(frame, index) for index in range(3)]
        if shrink > 1:
            planes = [_averaged(plane, shrink) for plane in planes]
        self._pyramids = [_Pyramid(plane) for plane in planes]
        self._rgb = rgb_matrix(space, full_range=full_range)
        self._grey = brightness_scale(full_range=full_range)
        self._black = 0 if full_range else 16

    def patch(
        self,
        matrix: NDArray[np.float64],
        width: int,
        height: int,
        *,
        fine: bool = True,
        into: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """Cut a part out, turned, scaled and shifted; what lies outside is black.

        Args:
            matrix: `(2, 3)`, from points of the picture to points of the patch.
            width: Of the patch, in pixels.
            height: Of the patch, in pixels.
            fine: Without aliasing and without loss of sharpness, for twice the time.
            into: Where to put the patch, contiguous; in an array of its own by default.

        Returns:
            `(height, width, 3)` uint8 RGB, contiguous.
        """
        source = self._from_patch(matrix)
        brightness, *colours = self._pyramids
        samples = [brightness.sample(source, width, height, border=self._black, fine=fine)]
        # Colours are stored coarsely, and nobody sees them sharply.
        samples += [
            plane.sample(source, width, height, border=_NEUTRAL, fine=False) for plane in colours
        ]
        return np.asarray(cv2.transform(cv2.merge(samples), self._rgb, dst=into), np.uint8)

    def grey_patch(self, matrix: NDArray[np.float64], width: int, height: int) -> NDArray[np.uint8]:
        """The same in grey levels, `(height, width)` uint8, quickly."""
        source = self._from_patch(matrix)
        samples = self._pyramids[0].sample(source, width, height, border=self._black, fine=False)
        factor, offset = self._grey
        if factor == 1:
            return samples
        levels = np.maximum(samples, self._black)
        return np.asarray(cv2.convertScaleAbs(levels, alpha=factor, beta=offset), np.uint8)

    def rgb(self, *, long_side: int | None = None) -> NDArray[np.uint8]:
        """The whole picture as it is shown.

        Args:
            long_side: Shrink so that the longer side has this many pixels; never enlarges.

        Returns:
            `(H, W, 3)` uint8 RGB, contiguous.
        """
        width, height = self._fit(long_side)
        return self.patch(self._shrinking(width, height), width, height, fine=False)

    def squeezed(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole picture, `(height, width, 3)` uint8 RGB, whatever its proportions were."""
        return self.patch(self._shrinking(width, height), width, height)

    def thumbnail(self, long_side: int) -> NDArray[np.uint8]:
        """Brightness of the stored picture, small, `(H, W)` uint8; for comparisons only.

        Neither turned nor scaled to grey levels, and of every few pixels only, since all frames are
        compared with their neighbours.
        """
        plane = self._pyramids[0].plane
        step = max(1, max(plane.shape) // (4 * long_side))
        sparse = np.ascontiguousarray(plane[::step, ::step])
        # By the display and not by the picture: streams may change their size, thumbnails do not.
        stored = self.display.stored_width, self.display.stored_height
        shrink = min(1.0, long_side / max(stored))
        columns, rows = (max(1, round(side * shrink)) for side in stored)
        small = cv2.resize(sparse, (columns, rows), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def _fit(self, long_side: int | None) -> tuple[int, int]:
        width, height = self.display.width, self.display.height
        shrink = min(1.0, (long_side or math.inf) / max(width, height))
        return max(1, round(width * shrink)), max(1, round(height * shrink))

    def _shrinking(self, width: int, height: int) -> NDArray[np.float64]:
        x, y = width / self.display.width, height / self.display.height
        return np.array([[x, 0.0, x / 2 - 0.5], [0.0, y, y / 2 - 0.5]])

    def _from_patch(self, matrix: NDArray[np.float64]) -> Affine:
        """From points of a patch to the stored picture with both sides taken as 1."""
        return self._to_stored.after(Affine.of(matrix).inverse())


class _Pyramid:
    """One plane, and what is left of it after halving it again and again, made when needed."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._levels = [plane]

    def sample(self, source: Affine, width: int, height: int, *, border: int, fine: bool) -> Plane:
        """The samples of a patch.

        Args:
            source: From points of the patch to the plane with both sides taken as 1.
            width: Of the patch.
            height: Of the patch.
            border: Value of what lies outside.
            fine: Average several samples for each pixel where the plane has more.
        """
        rows, columns = self._levels[0].shape
        step = math.sqrt(source.area * rows * columns)
        level = max(0, math.floor(math.log2(step))) if step > 1 else 0
        level, plane = self._level(level)
        to_plane = scaling(columns / 2**level, rows / 2**level).after(source)
        method = cv2.INTER_LINEAR
        if fine and step > _COARSE:
            canvas = _warp(
                plane, to_plane.after(_HALF), (2 * width, 2 * height), method=method, border=border
            )
            halved = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
            return np.asarray(halved, np.uint8)
        if fine:
            method = cv2.INTER_CUBIC
        return _warp(plane, to_plane, (width, height), method=method, border=border)

    def _level(self, wanted: int) -> tuple[int, Plane]:
        while len(self._levels) <= wanted and min(self._levels[-1].shape) >= 2:
            self._levels.append(_averaged(self._levels[-1], 2))
        level = min(wanted, len(self._levels) - 1)
        return level, self._levels[level]


# From the points of a canvas with twice as many pixels a side, centres kept.
_HALF: Final = Affine(0.5, 0.0, -0.25, 0.0, 0.5, -0.25)


def _warp(
    plane: Plane, to_plane: Affine, size: tuple[int, int], *, method: int, border: int
) -> Plane:
    samples = cv2.warpAffine(
        plane,
        shift(-0.5, -0.5).after(to_plane).matrix(),
        size,
        flags=method | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )
    return np.asarray(samples, np.uint8)


def _averaged(plane: Plane, factor: int) -> Plane:
    """Shrunk by a whole number; what does not fill a pixel at the right and below is left out."""
    rows, columns = max(1, plane.shape[0] // factor), max(1, plane.shape[1] // factor)
    whole = plane[: rows * factor, : columns * factor]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _view(frame: VideoFrame, index: int) -> Plane:
    """A plane's samples, without a copy; they stay valid as long as the array does."""
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    samples: Plane = rows[: plane.height, : plane.width]
    return samples


def _is_yuv(frame: VideoFrame) -> bool:
    return frame.format.name.startswith(("yuv", "nv", "p0", "p2", "p4", "yuyv", "uyvy", "y2"))


def _as_planar(frame: VideoFrame) -> VideoFrame:
    """Convert other formats: more than eight bits, interleaved planes, RGB, grey, palettes."""
    return frame.reformat(
        format="yuv444p",
        dst_colorspace=None if _is_yuv(frame) else Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.BICUBIC,
        threads=1,
    )
