"""Sets the crop of a photograph into motion, so that it can be shown as a clip.

A real still and its forgery get the same motion when it is drawn from the same seed, or drawn once
and played for both.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.align import template
from unmask_trainer.forgeries.geometry import face_coordinates, face_to_frame
from unmask_trainer.noise import slow_noise

Crops = NDArray[np.uint8]

# Eye distances: where the eyes are and how far a lid moves.
_EYE_HALF_WIDTH, _EYE_HALF_HEIGHT, _LID = 0.34, 0.26, 0.15
_BLINK: Final = (0.35, 0.8, 1.0, 0.7, 0.3)
_BLINKS: Final = 0.3
_GRAIN_OFFSETS: Final = 16


@dataclass(frozen=True, kw_only=True)
class StillMotion:
    """What a face does in front of a camera; drawn by `draw_still_motion`.

    Attributes:
        shift: (T, 2) in shares of the crop's side.
        turn: (T,) in radians.
        zoom: (T,) factors.
        tilt: (T, 2) how much further away the right and the lower side are than the middle: a head
            that turns and nods.
        blink: (T,) how far the lids are closed, in [0, 1].
        brightness: (T,) factors.
        noise: Standard deviation of the sensor's noise, in 8-bit levels.
        seed: Of the noise's pixels.
    """

    shift: NDArray[np.float64]
    turn: NDArray[np.float64]
    zoom: NDArray[np.float64]
    tilt: NDArray[np.float64]
    blink: NDArray[np.float64]
    brightness: NDArray[np.float64]
    noise: float
    seed: int

    def play(self, crop: Crops, *, margin: float) -> Crops:
        """Film a crop.

        Args:
            crop: (S, S, 3) uint8 RGB, aligned.
            margin: The crop's margin, as in the face pipeline's settings.

        Returns:
            (T, S, S, 3) uint8.
        """
        side = crop.shape[0]
        grain = self._grain(side)
        lids = _lids(side, margin) if self.blink.any() else None
        frames = np.empty((len(self.turn), side, side, 3), np.uint8)
        for step, frame in enumerate(frames):
            face = crop
            if lids is not None and self.blink[step]:
                face = _closed(crop, lids, float(self.blink[step]))
            seen = cv2.warpPerspective(
                face, self._view(step, side), (side, side), borderMode=cv2.BORDER_REFLECT_101
            )
            lit = cv2.convertScaleAbs(seen, alpha=float(self.brightness[step]))
            down, right = np.random.default_rng((self.seed, step)).integers(_GRAIN_OFFSETS, size=2)
            piece = grain[down : down + side, right : right + side]
            cv2.add(lit, piece, dst=frame, dtype=cv2.CV_8U)
        return frames

    def _view(self, step: int, side: int) -> NDArray[np.float64]:
        """From the crop's pixels to the frame's, (3, 3)."""
        middle = (side - 1) / 2
        cosine, sine = (
            self.zoom[step] * function(self.turn[step]) for function in (np.cos, np.sin)
        )
        x, y = self.shift[step] * side
        tilt_x, tilt_y = self.tilt[step] / side
        about = np.array([[1, 0, -middle], [0, 1, -middle], [0, 0, 1]])
        move = np.array([[cosine, -sine, x], [sine, cosine, y], [tilt_x, tilt_y, 1]])
        return np.asarray(np.linalg.inv(about) @ move @ about)

    def _grain(self, side: int) -> NDArray[np.int16]:
        # One sheet, cut at another place for each frame: drawing it anew would take most of the
        # time.
        shape = (side + _GRAIN_OFFSETS, side + _GRAIN_OFFSETS, 3)
        noise = np.random.default_rng(self.seed).standard_normal(shape, dtype=np.float32)
        return np.asarray(np.rint(noise * np.float32(self.noise)), np.int16)


def draw_still_motion(frames: int, rng: np.random.Generator) -> StillMotion:
    """Draw a slow wander of the head, a blink now and then, and a little noise."""
    wander = slow_noise(rng, steps=frames, channels=7, width=float(rng.uniform(2.5, 6)))
    # Starting from rest: alignment has put the face into the middle.
    wander -= wander.mean(axis=0) * 0.7
    amount = float(rng.uniform(0.2, 1))
    blink = np.zeros(frames)
    if rng.random() < _BLINKS:
        first = int(rng.integers(-len(_BLINK) + 1, frames))
        for place, closed in enumerate(_BLINK, start=first):
            if 0 <= place < frames:
                blink[place] = closed
    return StillMotion(
        shift=wander[:, :2] * 0.006 * amount,
        turn=wander[:, 2] * 0.012 * amount,
        zoom=1 + wander[:, 3] * 0.008 * amount,
        tilt=wander[:, 4:6] * 0.03 * amount,
        blink=blink,
        brightness=1 + wander[:, 6] * 0.008,
        noise=float(rng.uniform(0.3, 2.5)),
        seed=int(rng.integers(2**31)),
    )


def animate_still(crop: Crops, frames: int, rng: np.random.Generator, *, margin: float) -> Crops:
    """Make a clip of one crop.

    Args:
        crop: (S, S, 3) uint8 RGB, aligned.
        frames: Length of the clip.
        rng: Draws the motion; the same state gives the same motion.
        margin: The crop's margin, as in the face pipeline's settings.

    Returns:
        (frames, S, S, 3) uint8.
    """
    return draw_still_motion(frames, rng).play(crop, margin=margin)


def _lids(side: int, margin: float) -> NDArray[np.float32]:
    """Where each pixel comes from when the eyes are closed, less where it is: (S, S), in pixels."""
    pose = face_to_frame(template(side, margin))
    places = face_coordinates(pose, (side, side))
    x, y = np.abs(np.abs(places[..., 0]) - 0.5), places[..., 1] + 0.02
    reach = np.square(x / _EYE_HALF_WIDTH) + np.square(y / _EYE_HALF_HEIGHT)
    inside = np.square(np.clip(1 - reach, 0, 1))
    return np.asarray(-_LID * pose[0, 0] * inside, np.float32)


def _closed(crop: Crops, lids: NDArray[np.float32], share: float) -> Crops:
    """Skin from above the eyes, pulled down over them."""
    side = crop.shape[0]
    columns, rows = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side))
    rows = (rows + share * lids).astype(np.float32)
    moved = cv2.remap(crop, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)
