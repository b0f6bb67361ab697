"""Writes videos with PyAV."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


class Codec(StrEnum):
    """Formats that videos are compressed in."""

    H264 = "h264"
    MPEG4 = "mpeg4"
    VP9 = "vp9"


_ENCODERS: Final = {Codec.H264: "libx264", Codec.MPEG4: "mpeg4", Codec.VP9: "libvpx-vp9"}


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a video is compressed.

    Attributes:
        crf: Constant rate factor of x264: 17 looks lossless, 30 is visibly blocky. Other codecs
            get what looks about as good.
        preset: Speed of x264.
        codec: The format.
    """

    crf: int = 20
    preset: str = "veryfast"
    codec: Codec = Codec.H264

    def options(self) -> dict[str, object]:
        """What the encoder is told."""
        match self.codec:
            case Codec.H264:
                # Without the last, the same frames do not always give the same bytes.
                steady = "cpu-independent=1"
                return {"crf": str(self.crf), "preset": self.preset, "x264-params": steady}
            case Codec.MPEG4:
                # Quantisers double every 6 steps of the rate factor.
                quantiser = str(min(31, max(2, round(2.2 * 2 ** ((self.crf - 16) / 6)))))
                return {"qmin": quantiser, "qmax": quantiser}
            case Codec.VP9:
                # The speed `realtime` would hang on the clock, and the bytes with it.
                crf = min(63, round(1.5 * self.crf))
                return {"crf": str(crf), "b": "0", "deadline": "good", "cpu-used": "5"}


def write_video(
    path: Path, frames: Iterable[Frame], *, fps: int, encoding: Encoding | None = None
) -> None:
    """Encode frames in MP4; the file appears when it is whole.

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
        stream = cast(
            VideoStream, container.add_stream(_ENCODERS[encoding.codec], rate=Fraction(fps))
        )
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        # One thread: the bytes are then the same on every machine, and files are made in parallel.
        stream.options = encoding.options() | {"threads": "1"}
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _chain(first: Frame, rest: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from rest
