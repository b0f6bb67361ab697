"""Small clips in every container, from which hostile files are made."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]

FRAMES: Final = 12


def picture(number: int, size: Size) -> NDArray[np.uint8]:
    """A gradient that moves with the number, `(H, W, 3)` RGB."""
    width, height = size
    x = np.arange(width, dtype=np.uint16)[None, :, None]
    y = np.arange(height, dtype=np.uint16)[:, None, None]
    channels = np.array([2, 3, 5], dtype=np.uint16)
    return ((x * channels + y + 7 * number) % 256).astype(np.uint8)


def black(_number: int, size: Size) -> NDArray[np.uint8]:
    return np.zeros((size[1], size[0], 3), np.uint8)


def clip(
    container: str,
    codec: str,
    *,
    size: Size = (96, 64),
    frames: int = FRAMES,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    draw: Callable[[int, Size], NDArray[np.uint8]] = picture,
) -> bytes:
    """A clip of 25 frames per second with a key frame every 4 frames."""

    def write(output: Any) -> None:
        stream = output.add_stream(codec, rate=25, options={"threads": "1"} | (codec_options or {}))
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.gop_size = 4
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, size), format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))

    return written(container, write, options)


def written(
    container: str, write: Callable[[Any], None], options: dict[str, str] | None = None
) -> bytes:
    """What a function writes to a new container."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        with av.open(str(path), "w", format=container, options=options or {}) as output:
            write(output)
        return path.read_bytes()


def remuxed(
    source: bytes, container: str, choose: Callable[[Sequence[Any]], Iterable[Any]]
) -> bytes:
    """The packets that a function chooses of a clip, in another container."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        path.write_bytes(source)
        with av.open(str(path)) as opened:
            template = opened.streams.video[0]
            packets = [packet for packet in opened.demux(template) if packet.size]

            def write(output: Any) -> None:
                stream = output.add_stream_from_template(template)
                for packet in choose(packets):
                    packet.stream = stream
                    output.mux(packet)

            return written(container, write)


@cache
def clips() -> dict[str, bytes]:
    """One clip of each container that is accepted."""
    fast = {"preset": "ultrafast"}
    return {
        "mp4": clip("mp4", "libx264", codec_options=fast),
        "faststart": clip("mp4", "libx264", options={"movflags": "faststart"}, codec_options=fast),
        "fragmented": clip(
            "mp4",
            "libx264",
            options={"movflags": "frag_keyframe+empty_moov"},
            codec_options=fast,
        ),
        "mov": clip("mov", "mjpeg", pix_fmt="yuvj420p"),
        "mkv": clip("matroska", "libx264", codec_options=fast),
        "webm": clip("webm", "libvpx", codec_options={"deadline": "realtime", "cpu-used": "8"}),
        "avi": clip("avi", "mpeg4"),
        "ts": clip("mpegts", "libx264", codec_options=fast),
        "ps": clip("mpeg", "mpeg2video"),
        "flv": clip("flv", "flv"),
        "wmv": clip("asf", "wmv2"),
        "gif": clip("gif", "gif", pix_fmt="rgb8"),
    }


@cache
def other_codecs() -> dict[str, bytes]:
    """Clips of codecs that the containers may hold as well."""
    quiet = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"}
    fast = {"deadline": "realtime", "cpu-used": "8"}
    return {
        "hevc": clip("mp4", "libx265", codec_options=quiet),
        "vp9": clip("webm", "libvpx-vp9", codec_options=fast),
        "ffv1": clip("matroska", "ffv1"),
        "huffyuv": clip("avi", "huffyuv", pix_fmt="yuv422p"),
        "prores": clip("mov", "prores", pix_fmt="yuv422p10le"),
        "png": clip("mov", "png", pix_fmt="rgb24"),
        "qtrle": clip("mov", "qtrle", pix_fmt="rgb24"),
        "mpeg1video": clip("mpeg", "mpeg1video"),
        "msmpeg4": clip("avi", "msmpeg4"),
    }
