"""Videos for tests, made of two public-domain portraits with known places of the eyes.

The astronaut is Eileen Collins (NASA, from scikit-image), the admiral Grace Hopper (US Navy, from
matplotlib).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import matplotlib.cbook
import numpy as np
import skimage.data
from av.stream import Disposition
from av.video.reformatter import Colorspace
from numpy.typing import NDArray
from PIL import Image

Point = tuple[float, float]

_UNSPECIFIED = 2
_BITS = 10
_BLOCK = 16


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A picture `(H, W, 3)` RGB of one face, with the centres of its pupils read off by eye."""

    pixels: NDArray[np.uint8]
    pupils: tuple[Point, Point]


@cache
def astronaut() -> Portrait:
    pixels: NDArray[np.uint8] = skimage.data.astronaut()  # type: ignore[no-untyped-call]  # untyped there
    return Portrait(pixels=pixels, pupils=((203.5, 100.7), (246.5, 103.3)))


@cache
def admiral() -> Portrait:
    path = Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    pixels = np.array(Image.open(path).convert("RGB"))
    return Portrait(pixels=pixels, pupils=((223.8, 190.5), (306.3, 186.5)))


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where a portrait is shown: the point between the pupils, their distance, the tilt."""

    portrait: Portrait
    center: Point
    eye_distance: float = 32.0
    tilt_degrees: float = 0.0

    @property
    def pupils(self) -> NDArray[np.float64]:
        """`(2, 2)`: the pupil at the left of the picture, the one at the right."""
        angle = np.deg2rad(self.tilt_degrees)
        half = self.eye_distance / 2 * np.array([np.cos(angle), np.sin(angle)])
        center = np.array(self.center)
        return np.stack([center - half, center + half])


def scenery(width: int, height: int, *, seed: int = 0, brightness: int = 110) -> NDArray[np.uint8]:
    """A soft background without faces, `(height, width, 3)` uint8 RGB."""
    noise = np.random.default_rng(seed).normal(0, 12, (6, 8, 3)) + brightness
    soft = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(soft, 0, 255).astype(np.uint8)


def show(background: NDArray[np.uint8], *heads: Head) -> NDArray[np.uint8]:
    """Put heads before a background."""
    canvas = background.astype(np.float32)
    size = (canvas.shape[1], canvas.shape[0])
    for head in heads:
        (ax, ay), (bx, by) = head.portrait.pupils
        source = complex(bx - ax, by - ay)
        target = complex(*(head.pupils[1] - head.pupils[0]))
        factor = target / source
        middle = complex((ax + bx) / 2, (ay + by) / 2)
        shift = complex(*head.center) - factor * middle
        matrix = np.array(
            [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
        )
        mask = np.zeros(head.portrait.pixels.shape[:2], np.float32)
        distance = abs(source)
        cv2.ellipse(
            mask,
            (round(middle.real), round(middle.imag + 0.2 * distance)),
            (round(1.5 * distance), round(2.0 * distance)),
            0,
            0,
            360,
            1.0,
            -1,
        )
        soft = cv2.GaussianBlur(mask, (0, 0), distance / 12)
        alpha = cv2.warpAffine(soft, matrix, size, flags=cv2.INTER_AREA)[..., None]
        face = cv2.warpAffine(head.portrait.pixels, matrix, size, flags=cv2.INTER_AREA)
        canvas = canvas * (1 - alpha) + face * alpha
    return np.clip(canvas, 0, 255).astype(np.uint8)


def film(
    count: int,
    heads: Callable[[int], Sequence[Head]],
    *,
    width: int = 320,
    height: int = 240,
    seed: int = 0,
) -> list[NDArray[np.uint8]]:
    """`count` frames before one background; `heads` tells who is where in each."""
    background = scenery(width, height, seed=seed)
    return [show(background, *heads(number)) for number in range(count)]


def numbered_picture(number: int, *, height: int = 48) -> NDArray[np.uint8]:
    """A picture that carries a number below 1024 as black and white blocks."""
    bits = [(number >> bit) & 1 for bit in range(_BITS)]
    row = np.repeat(np.array(bits, dtype=np.uint8) * 200 + 28, _BLOCK)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, len(row), 3)))


def number_in(pixels: NDArray[np.uint8]) -> int:
    """The number that a `numbered_picture` carries, after any lossy encoding."""
    middle = pixels[pixels.shape[0] // 2, _BLOCK // 2 :: _BLOCK].mean(axis=1)
    return sum(1 << bit for bit, value in enumerate(middle) if value > 128)


def quadrants(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Red, green over blue, white: tells every turn and mirroring apart."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (220, 30, 30)
    picture[: height // 2, width // 2 :] = (30, 220, 30)
    picture[height // 2 :, : width // 2] = (30, 30, 220)
    picture[height // 2 :, width // 2 :] = (220, 220, 220)
    return picture


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: int = 25,
    times_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    mirrored: bool = False,
    full_range: bool = False,
    matrix: Colorspace | None = None,
    sample_aspect_ratio: Fraction | None = None,
    key_every: int = 12,
    options: dict[str, str] | None = None,
    muxer_options: dict[str, str] | None = None,
) -> Path:
    """Encode RGB frames; the container follows the suffix.

    Args:
        path: Where to write.
        frames: `(H, W, 3)` uint8 RGB as stored, all of one size.
        fps: Frame rate, where there are no `times_ms`.
        times_ms: When each frame is shown.
        codec: FFmpeg's name of the encoder.
        pix_fmt: FFmpeg's name of the pixel format.
        rotation: Clockwise turn that a player shall apply, by a display matrix.
        mirrored: Whether a player shall swap left and right, by a display matrix.
        full_range: Store luma from 0 to 255 instead of 16 to 235.
        matrix: Convert to luma and chroma by it, without saying so in the stream.
        sample_aspect_ratio: Width over height of one stored pixel.
        key_every: Frames from one key frame to the next.
        options: For the encoder.
        muxer_options: For the writer of the container.
    """
    frames = iter(frames)
    first = next(frames)
    fast = {"preset": "ultrafast", "crf": "12"} if codec in {"libx264", "libx265"} else {}
    with av.open(path, "w", options=muxer_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=fast | (options or {}))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = key_every
        if codec not in {"gif", "libx264", "libx265"}:
            stream.bit_rate = 4_000_000
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if full_range:
            stream.codec_context.color_range = 2
        if sample_aspect_ratio is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        if rotation or mirrored:
            stream.set_display_rotation(-rotation, hflip=mirrored)
        for number, pixels in enumerate([first, *frames]):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if full_range:
                picture = picture.reformat(format=pix_fmt, dst_color_range=2)
            if matrix is not None:
                picture = picture.reformat(format=pix_fmt, dst_colorspace=matrix)
                picture.colorspace = _UNSPECIFIED
            picture.pts = times_ms[number] if times_ms is not None else number
            picture.time_base = Fraction(1, 1000) if times_ms is not None else Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path, *, seconds: float = 0.5, cover: bool = False) -> Path:
    """A file with sound and no moving pictures, if asked for with a cover picture as songs have."""
    rate = 16_000
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("aac", rate=rate, layout="mono")
        if cover:
            art: Any = container.add_stream("mjpeg")
            art.width, art.height, art.pix_fmt = 64, 64, "yuvj420p"
            art.disposition = Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(scenery(64, 64), format="rgb24")
            picture.pts = 0
            container.mux(art.encode(picture))
            container.mux(art.encode(None))
        tone = np.sin(np.arange(int(rate * seconds)) * 0.05).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
