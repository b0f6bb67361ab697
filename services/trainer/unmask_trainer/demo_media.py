"""Short clips of two people who gave nothing away: public-domain portraits set into motion.

Eileen Collins (NASA photograph S92-40463, in scikit-image) and Grace Hopper (US Navy photograph,
in matplotlib) come with Python packages, so the demonstration and the tests need no network and no
stranger's face. Neither may ever be in training data.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import cbook
from matplotlib.image import imread
from numpy.typing import NDArray
from skimage import data

from unmask_trainer.datasets.portraits import CameraMotion, camera_path, film
from unmask_trainer.forgeries.blending import forge
from unmask_trainer.forgeries.geometry import Outline, Points, Region, apply
from unmask_trainer.forgeries.recipes import Detail, Recipe
from unmask_trainer.recording import Encoding, write_video

Frame = NDArray[np.uint8]

FPS = 30
_SEED = 20260


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A public-domain portrait.

    Attributes:
        name: Begins the names of its clips.
        picture: Returns RGB (H, W, 3) uint8.
        landmarks: (5, 2) in pixels, left to right: eye corners, base of the nose.
        focus: Pixel that lies in the middle of the clip.
        scale: Pixels of the clip for one of the portrait.
        size: Height and width of the clip.
    """

    name: str
    picture: Callable[[], Frame]
    landmarks: tuple[tuple[float, float], ...]
    focus: tuple[float, float]
    scale: float
    size: tuple[int, int]


def _astronaut() -> Frame:
    # scikit-image leaves its data functions untyped.
    return np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]


def _hopper() -> Frame:
    return np.asarray(imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)), np.uint8)


PORTRAITS = (
    Portrait(
        name="astronaut",
        picture=_astronaut,
        landmarks=((195, 101), (212, 103), (237, 105), (255, 104), (224, 135)),
        focus=(236, 190),
        scale=1.8,
        size=(540, 960),
    ),
    Portrait(
        name="hopper",
        picture=_hopper,
        landmarks=((207, 194), (239, 193), (292, 191), (323, 190), (270, 252)),
        focus=(262, 270),
        scale=1.05,
        size=(540, 480),
    ),
)

# A face from a network of low resolution, slightly misplaced, with a border that can be seen.
_FORGERY = Recipe(
    outline=Outline(region=Region.INNER_FACE, waves=((0.03, 0.5), (0.02, 2.0))),
    feather=0.06,
    opacity=1.0,
    shift=(0.04, 0.03),
    scale=1.05,
    turn=0.02,
    bend=0.02,
    gain=(1.08, 1.0, 0.95),
    offset=(4.0, 0.0, -3.0),
    detail=Detail.LOW_RESOLUTION,
    detail_strength=0.6,
    flicker=0.6,
)
_MOTION = CameraMotion(
    zoom=(1.0, 1.1), pan=(0.05, 0.02), turn=(-0.02, 0.025), shake=0.0015, noise=1.5
)
_ENCODING = Encoding(crf=20, preset="ultrafast")


def make_demo_media(folder: Path, *, seconds: float = 6.0) -> tuple[Path, ...]:
    """Write `NAME_real.mp4` and `NAME_fake.mp4` for each portrait; the same bytes each time.

    Args:
        folder: Created when missing.
        seconds: Length of each clip.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for portrait in PORTRAITS:
        frames, landmarks = film_portrait(portrait, steps=round(seconds * FPS))
        forged = forge(frames, landmarks, _FORGERY, np.random.default_rng(_SEED))
        clips: dict[str, Iterable[Frame]] = {"real": frames, "fake": forged}
        for label, clip in clips.items():
            path = folder / f"{portrait.name}_{label}.mp4"
            write_video(path, clip, fps=FPS, encoding=_ENCODING)
            written.append(path)
    return tuple(written)


def film_portrait(portrait: Portrait, *, steps: int) -> tuple[list[Frame], list[Points]]:
    """Set a portrait into motion.

    Args:
        portrait: One of `PORTRAITS`.
        steps: Number of frames.

    Returns:
        RGB frames, and the five landmarks (5, 2) of the face in each.
    """
    rng = np.random.default_rng(_SEED)
    size = portrait.size
    path = camera_path(
        _MOTION, rng, steps=steps, focus=portrait.focus, scale=portrait.scale, size=size
    )
    frames = film(portrait.picture(), path, rng, size=size, noise=_MOTION.noise)
    points = np.asarray(portrait.landmarks, np.float64)
    return frames, [apply(matrix, points) for matrix in path]
