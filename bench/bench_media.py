"""Clips to measure preprocessing on: faces that move, with the box of each in every frame.

Two public-domain portraits (see `unmask_trainer.demo_media`) nod, drift and come nearer over a
textured background that moves too, with the grain of a camera: footage that costs a decoder about
as much as real footage of this size does. The same arguments give the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from unmask_trainer.demo_media import PORTRAITS
from unmask_trainer.recording import Encoding, write_video

Frame = NDArray[np.uint8]
Matrix = NDArray[np.float64]

WIDTH, HEIGHT, FPS = 1280, 720, 30
# x264's usual distance of key frames: a piece of this length can be repeated with its key frames
# evenly spaced.
PIECE_FRAMES = 250
# Frames after which all motion repeats, so that two pieces meet without a jump.
_CYCLE = PIECE_FRAMES // 2
_ENCODING = Encoding(crf=23, preset="medium")
_GRAIN_LEVELS = 1.6
_GRAIN_OFFSETS = 64
_MARGIN = 96


@dataclass(frozen=True, kw_only=True)
class BenchClip:
    """A clip and where its faces are.

    Attributes:
        path: H.264 in MP4.
        boxes: `(frames, faces, 4)` left, top, right, bottom in pixels, from hairline to chin; the
            order of the faces never changes.
    """

    path: Path
    boxes: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Head:
    """A person who can be put into a picture.

    Attributes:
        pixels: RGB `(H, W, 3)`.
        alpha: `(H, W)` in [0, 1]: soft outline of the head.
        box: Left, top, right, bottom of the face.
    """

    pixels: Frame
    alpha: NDArray[np.float32]
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a face is on average, and how it moves.

    Attributes:
        center: Of its box, in pixels of the clip.
        height: Of its box.
        phase: In turns; faces with different phases move differently.
    """

    center: tuple[float, float]
    height: float
    phase: float


# Face box, and centre and half axes of the head, read off the pictures by eye.
_STILLS = {
    "astronaut": ((178, 58, 272, 178), (222, 118), (82, 100)),
    "hopper": ((190, 118, 345, 330), (268, 205), (138, 176)),
}
_ONE = (Place(center=(640, 350), height=230, phase=0.0),)
_FOUR = (
    Place(center=(180, 330), height=165, phase=0.0),
    Place(center=(490, 400), height=165, phase=0.3),
    Place(center=(790, 320), height=160, phase=0.55),
    Place(center=(1090, 390), height=160, phase=0.8),
)


def make_clip(
    path: Path, *, faces: int, frames: int = 10 * FPS, faceless: bool = False
) -> BenchClip:
    """Film 1 or 4 faces at 1280x720 and 30 frames per second.

    Args:
        path: The MP4 to write; its folder must exist.
        faces: 1 or 4.
        frames: Length.
        faceless: Whether all heads but the first are upside down: as much to decode, and one face
            to follow.
    """
    cast = list(zip(_cast(), _places(faces), strict=False))
    if faceless:
        cast = cast[:1] + [(_upside_down(head), place) for head, place in cast[1:]]
    tracks = [_matrices(head, place, frames) for head, place in cast]
    write_video(path, _film([head for head, _ in cast], tracks), fps=FPS, encoding=_ENCODING)
    seen = 1 if faceless else len(cast)
    return BenchClip(path=path, boxes=_boxes([head for head, _ in cast], tracks)[:, :seen])


def make_long_clip(path: Path, *, faces: int, repeats: int) -> BenchClip:
    """Repeat 250 frames without encoding them again: 36 times for 5 minutes, 432 for an hour."""
    piece = make_clip(path.with_suffix(".piece.mp4"), faces=faces, frames=PIECE_FRAMES)
    _repeat(piece.path, path, repeats=repeats)
    piece.path.unlink()
    return BenchClip(path=path, boxes=np.tile(piece.boxes, (repeats, 1, 1)))


def decode_all(path: Path) -> int:
    """Decode a whole file in one thread, which is the floor of any preprocessing.

    Returns:
        The number of frames.
    """
    with av.open(str(path), format="mov") as container:
        container.streams.video[0].thread_type = "NONE"
        return sum(1 for _ in container.decode(video=0))


def _places(faces: int) -> Sequence[Place]:
    if faces not in (1, 4):
        raise ValueError(f"clips show 1 or 4 faces, not {faces}")
    return _ONE if faces == 1 else _FOUR


def _cast() -> Iterator[Head]:
    """Both people as they are, then mirrored, in other proportions and another light."""
    heads = [_head(portrait.name, portrait.picture()) for portrait in PORTRAITS]
    yield from heads
    yield _disguised(heads[0], gains=(0.92, 0.78, 0.68), stretch=1.1)
    yield _disguised(heads[1], gains=(0.72, 0.78, 0.86), stretch=0.9)


def _head(name: str, pixels: Frame) -> Head:
    box, center, axes = _STILLS[name]
    mask = np.zeros(pixels.shape[:2], np.float32)
    cv2.ellipse(mask, center, axes, 0, 0, 360, 1.0, -1)
    alpha = cv2.GaussianBlur(mask, (0, 0), axes[0] / 14)
    return Head(pixels=pixels, alpha=np.asarray(alpha, np.float32), box=box)


def _disguised(head: Head, *, gains: tuple[float, float, float], stretch: float) -> Head:
    height, width = head.alpha.shape
    size = (width, round(height * stretch))
    pixels = cv2.resize(head.pixels[:, ::-1], size, interpolation=cv2.INTER_CUBIC)
    left, top, right, bottom = head.box
    return Head(
        pixels=np.clip(pixels * np.array(gains), 0, 255).astype(np.uint8),
        alpha=np.asarray(cv2.resize(head.alpha[:, ::-1], size), np.float32),
        box=(width - right, top * stretch, width - left, bottom * stretch),
    )


def _upside_down(head: Head) -> Head:
    """The head's pixels upside down: the same detail, and nothing that is taken for a face."""
    return Head(pixels=np.ascontiguousarray(head.pixels[::-1]), alpha=head.alpha, box=head.box)


def _matrices(head: Head, place: Place, frames: int) -> list[Matrix]:
    """Maps `(2, 3)` from a head's pixels to those of each frame."""
    left, top, right, bottom = head.box
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    matrices = []
    for frame in range(frames):
        slow = 2 * np.pi * (frame / _CYCLE + place.phase)
        fast = 2 * slow + 1.0
        scale = place.height / (bottom - top) * (1 + 0.1 * np.sin(slow + 0.7))
        turn = 0.12 * np.sin(slow) + 0.05 * np.sin(2 * fast)
        shift = place.height * np.array(
            [0.18 * np.sin(slow + 2.0) + 0.04 * np.sin(fast), 0.1 * np.sin(fast)]
        )
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrices.append(np.column_stack([linear, np.array(place.center) + shift - linear @ middle]))
    return matrices


def _boxes(heads: Sequence[Head], tracks: Sequence[Sequence[Matrix]]) -> NDArray[np.float64]:
    """The still's box, moved and scaled; a turned face keeps the sides of the upright one."""
    boxes = np.empty((len(tracks[0]), len(heads), 4))
    for number, (head, matrices) in enumerate(zip(heads, tracks, strict=True)):
        left, top, right, bottom = head.box
        for frame, matrix in enumerate(matrices):
            center = matrix @ ((left + right) / 2, (top + bottom) / 2, 1.0)
            half = np.array([right - left, bottom - top]) / 2 * np.hypot(*matrix[:, 0])
            boxes[frame, number] = *(center - half), *(center + half)
    return boxes


def _film(heads: Sequence[Head], tracks: Sequence[Sequence[Matrix]]) -> Iterator[Frame]:
    rng = np.random.default_rng(7)
    wall = _wall()
    sheet = (HEIGHT + _GRAIN_OFFSETS, WIDTH + _GRAIN_OFFSETS, 3)
    grain = np.rint(rng.normal(0, _GRAIN_LEVELS, sheet)).astype(np.int16)
    for frame in range(len(tracks[0])):
        canvas = _view(wall, frame)
        for head, matrices in zip(heads, tracks, strict=True):
            _put(canvas, head, matrices[frame])
        down, right = rng.integers(_GRAIN_OFFSETS, size=2)
        piece = grain[down : down + HEIGHT, right : right + WIDTH]
        yield np.asarray(cv2.add(canvas, piece, dtype=cv2.CV_8U), np.uint8)


def _put(canvas: Frame, head: Head, matrix: Matrix) -> None:
    """Blend a head in, where it is."""
    height, width = head.alpha.shape
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, top = np.maximum(np.floor(corners.min(axis=1)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=1)), (WIDTH, HEIGHT)).astype(int)
    local = matrix.copy()
    local[:, 2] -= left, top
    size = (int(right - left), int(bottom - top))
    pixels = cv2.warpAffine(head.pixels, local, size, flags=cv2.INTER_CUBIC)
    alpha = cv2.warpAffine(head.alpha, local, size, flags=cv2.INTER_LINEAR)
    part = canvas[top:bottom, left:right]
    part[:] = cv2.blendLinear(pixels, part, alpha, 1 - alpha)


def _wall() -> Frame:
    """A background with texture and large forms, larger than the picture."""
    size = (WIDTH + 2 * _MARGIN, HEIGHT + 2 * _MARGIN)
    brick = cv2.resize(data.brick(), size, interpolation=cv2.INTER_CUBIC)  # type: ignore[no-untyped-call]  # untyped there
    forms = cv2.resize(data.coffee(), size, interpolation=cv2.INTER_CUBIC)  # type: ignore[no-untyped-call]  # untyped there
    forms = cv2.GaussianBlur(forms, (0, 0), 12)
    mixed = 0.55 * forms + 0.45 * brick[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _view(wall: Frame, frame: int) -> Frame:
    """What a camera that swings a little sees of the wall."""
    phase = 2 * np.pi * frame / _CYCLE
    right = _MARGIN + round(40 * np.sin(phase))
    down = _MARGIN + round(16 * np.sin(2 * phase + 0.5))
    return wall[down : down + HEIGHT, right : right + WIDTH].copy()


def _repeat(piece: Path, path: Path, *, repeats: int) -> None:
    with av.open(str(piece)) as source, av.open(str(path), "w") as target:
        stream: Any = source.streams.video[0]
        copy: Any = target.add_stream_from_template(stream)
        ticks = round(Fraction(PIECE_FRAMES, FPS) / stream.time_base)
        for number in range(repeats):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.size:
                    packet.pts += number * ticks
                    packet.dts += number * ticks
                    packet.stream = copy
                    target.mux(packet)
