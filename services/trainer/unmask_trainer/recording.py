"""Writes videos with PyAV."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a video is compressed.

    Attributes:
        crf: Constant rate factor of x264: 17 looks lossless, 30 is visibly blocky.
        preset: Speed of x264.
    """

    crf: int = 20
    preset: str = "veryfast"


def write_video(
    path: Path, frames: Iterable[Frame], *, fps: int, encoding: Encoding | None = None
) -> None:
    """Encode frames as H.264 in MP4; the file appears when it is whole.

    Args:
        path: The file to write; its folder must exist.
        frames: RGB (H, W, 3) uint8, all of one size with even sides; at least one.
        fps: Frame rate.
        encoding: Compression; the default looks nearly lossless.

    Raises:
        ValueError: When there is no frame.
    """
    chosen = encoding or Encoding()
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError(f"no frames to write to {path}")
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        _encode(partial, _chain(first, remaining), first.shape[:2], fps, chosen)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _encode(
    path: Path, frames: Iterable[Frame], size: tuple[int, ...], fps: int, encoding: Encoding
) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        # One thread: the bytes are then the same on every machine, and files are made in parallel.
        stream.options = {"crf": str(encoding.crf), "preset": encoding.preset, "threads": "1"}
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _chain(first: Frame, rest: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from rest
