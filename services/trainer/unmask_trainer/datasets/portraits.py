"""Sets a still portrait into motion, as a hand-held camera would see it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.forgeries.geometry import Matrix
from unmask_trainer.noise import slow_noise

Frame = NDArray[np.uint8]

_GRAIN_OFFSETS = 64


@dataclass(frozen=True, kw_only=True)
class CameraMotion:
    """A slow drift with a small shake on top.

    Attributes:
        zoom: Magnification at the start and at the end.
        pan: Drift of the picture over the whole clip, in shares of the output's sides.
        turn: Rotation at the start and at the end, in radians.
        shake: Standard deviation of the hand's tremor, in shares of the output's height.
        noise: Standard deviation of the sensor's noise, in 8-bit levels.
    """

    zoom: tuple[float, float]
    pan: tuple[float, float]
    turn: tuple[float, float]
    shake: float
    noise: float


def draw_motion(rng: np.random.Generator) -> CameraMotion:
    """Draw a motion."""
    zoom_start, zoom_end = rng.uniform(1.0, 1.12, 2)
    turn_start, turn_end = rng.uniform(-0.06, 0.06, 2)
    pan_x, pan_y = rng.uniform(-0.05, 0.05, 2)
    return CameraMotion(
        zoom=(float(zoom_start), float(zoom_end)),
        pan=(float(pan_x), float(pan_y)),
        turn=(float(turn_start), float(turn_end)),
        shake=float(rng.uniform(0, 0.004)),
        noise=float(rng.uniform(0, 4)),
    )


def camera_path(
    motion: CameraMotion,
    rng: np.random.Generator,
    *,
    steps: int,
    focus: tuple[float, float],
    scale: float,
    size: tuple[int, int],
) -> list[Matrix]:
    """Affine maps (2, 3) from the portrait's pixels to those of each frame.

    Args:
        motion: What the camera does.
        rng: Draws the tremor.
        steps: Number of frames.
        focus: Point of the portrait that lies in the middle of the picture, in its pixels.
        scale: Output pixels for one pixel of the portrait at magnification 1.
        size: Height and width of the output.
    """
    height, width = size
    time = np.linspace(-0.5, 0.5, steps) if steps > 1 else np.zeros(1)
    tremor = slow_noise(rng, steps=steps, channels=3, width=2.0) * motion.shake
    path = []
    for step in range(steps):
        share = time[step] + 0.5
        zoom = scale * float(np.interp(share, (0, 1), motion.zoom))
        turn = float(np.interp(share, (0, 1), motion.turn)) + tremor[step, 2]
        linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = (
            width * (0.5 + motion.pan[0] * time[step]) + tremor[step, 0] * height,
            height * (0.5 + motion.pan[1] * time[step]) + tremor[step, 1] * height,
        )
        path.append(np.column_stack([linear, np.array(middle) - linear @ np.array(focus)]))
    return path


def film(
    portrait: Frame,
    path: list[Matrix],
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    noise: float,
) -> list[Frame]:
    """Render the portrait along a camera path.

    Args:
        portrait: RGB (H, W, 3) uint8.
        path: From `camera_path`.
        rng: Draws the sensor's noise.
        size: Height and width of the frames.
        noise: Standard deviation of the noise, in 8-bit levels.

    Returns:
        Frames (H, W, 3) uint8; beyond the portrait its border is mirrored.
    """
    # One sheet of grain, cut at a random place for each frame: drawing it anew each time would
    # cost more than everything else here.
    sheet = (size[0] + _GRAIN_OFFSETS, size[1] + _GRAIN_OFFSETS, 3)
    grain = np.rint(rng.standard_normal(sheet, dtype=np.float32) * np.float32(noise))
    grain = grain.astype(np.int16)
    frames = []
    for matrix in path:
        seen = cv2.warpAffine(
            portrait,
            matrix,
            (size[1], size[0]),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        down, right = rng.integers(_GRAIN_OFFSETS, size=2)
        piece = grain[down : down + size[0], right : right + size[1]]
        frames.append(np.asarray(cv2.add(seen, piece, dtype=cv2.CV_8U), np.uint8))
    return frames
