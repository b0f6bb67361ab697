"""Data sets with the layout of public ones, of small videos of public-domain faces."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from media_factory import Head, Portrait, admiral, astronaut, film, scenery, write_video

FRAMES = 10
ACTORS = 12


@cache
def face_video(variant: int, frames: int = FRAMES) -> bytes:
    """A video of one face; each variant has a background of its own."""
    portrait: Portrait = (astronaut, admiral)[variant % 2]()

    def heads(number: int) -> list[Head]:
        return [Head(portrait=portrait, center=(150 + number, 110), eye_distance=30)]

    return _encoded(film(frames, heads, seed=variant))


@cache
def faceless_video() -> bytes:
    return _encoded([scenery(320, 240, seed=1)] * FRAMES)


def celeb_df(root: Path, *, distinct: bool = False) -> Path:
    """Celeb-DF with pairs of actors, each in a real clip and in a forgery with the other's face.

    Args:
        root: Where to write.
        distinct: Whether no two files have the same bytes.
    """
    names = [f"Celeb-real/id{actor}_0000.mp4" for actor in range(ACTORS)]
    names += [f"Celeb-synthesis/id{a}_id{a ^ 1}_0000.mp4" for a in range(ACTORS)]
    names += [f"YouTube-real/{number:05d}.mp4" for number in range(2)]
    for variant, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(face_video(variant if distinct else variant % 2))
    return root


def _encoded(frames: list[np.ndarray]) -> bytes:
    with TemporaryDirectory() as folder:
        return write_video(Path(folder) / "video.mp4", frames).read_bytes()
