"""Makes the mouth of a real face say something else.

Lip-sync forgeries change the mouth and the jaw below it and nothing else. `warp` opens and closes
the lips by a smooth field, with the dark gap that comes to light; `moment` brings the mouth of
another moment of the same clip.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_trainer.forgeries.blending import blur, sample
from unmask_trainer.forgeries.clips import (
    Blend,
    FaceClip,
    FacePatch,
    ForPose,
    Mask,
    Pixels,
    back_and_forth,
)
from unmask_trainer.forgeries.face_shape import FaceShape, find_shape
from unmask_trainer.forgeries.geometry import (
    Matrix,
    Points,
    face_coordinates,
)
from unmask_trainer.noise import slow_noise

# Eye distances: half the width of the lips, and how far above and below them skin is moved.
_LIPS: Final = 0.46
_UP, _DOWN = 0.36, 0.62
_SIDE: Final = 0.72
# The upper lip does less than the jaw.
_UPPER_SHARE: Final = 0.28
_GAP_EDGE: Final = 0.035
_LEAST: Final = 0.1


def _speech(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """How far the mouth is opened (T,) in eye distances; below 0 it is pressed together."""
    syllables = slow_noise(rng, steps=steps, channels=1, width=float(rng.uniform(1.4, 3.0)))[:, 0]
    wide, bias = rng.uniform(0.09, 0.2), rng.uniform(0.2, 0.9)
    opening = wide * (syllables + bias)
    # Somewhere in the clip the mouth has to be moved.
    opening += max(0.0, _LEAST - float(opening.max()))
    return np.asarray(np.clip(opening, -0.07, 0.25))


class MouthWarp:
    """Lips that open and close as drawn."""

    method = "mouth_reenactment.warp"
    uses_donor = False

    def __init__(self, clip: FaceClip, rng: np.random.Generator) -> None:
        """Draw a forgery.

        Args:
            clip: Whose mouth is moved.
            rng: Source of randomness.
        """
        self._mouth = find_shape(clip).mouth
        self._opening = _speech(rng, len(clip))
        stretch = slow_noise(rng, steps=len(clip), channels=1, width=2.5)[:, 0]
        self._stretch = np.clip(0.06 * stretch, -0.15, 0.15)
        self._softness = float(rng.choice([0.0, rng.uniform(0.01, 0.04)]))
        self._inside = rng.uniform((25, 8, 8), (60, 28, 28)).astype(np.float32)
        self._teeth = float(rng.choice([0.0, rng.uniform(0.3, 0.9)]))
        self._places: ForPose[tuple[Pixels, Pixels]] = ForPose(self._find_places)
        self._mask: ForPose[Mask] = ForPose(self._make_mask)

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame."""
        places, fade = self._places(patch)
        opening = np.float32(self._opening[step])
        x, y = places[..., 0] - self._mouth[0], places[..., 1] - self._mouth[1]
        lips = np.square(np.maximum(0, 1 - np.square(x / _LIPS)))
        upper, lower = _UPPER_SHARE * opening * lips, (1 - _UPPER_SHARE) * opening * lips
        source = places.copy()
        source[..., 0] -= np.float32(self._stretch[step]) * x * fade
        source[..., 1] += np.where(y < 0, upper, -lower) * fade
        content = sample(patch.pixels, source.astype(np.float32), patch.pose)
        if opening > 0:
            content = self._open(content, y, upper, lower)
        if self._softness:
            content = blur(content, self._softness * patch.unit)
        return Blend(content=content, opacity=self._mask(patch))

    def _open(self, content: Pixels, y: Pixels, upper: Pixels, lower: Pixels) -> Pixels:
        """Show what lies behind the lips."""
        depth = np.minimum(y + upper, lower - y)
        gap = np.clip(depth / _GAP_EDGE, 0, 1)[..., None].astype(np.float32)
        # Teeth hang from the upper lip; more of them is seen when the mouth is wide.
        teeth = np.clip(1 - (y + upper) / 0.1, 0, 1) * np.clip((upper + lower) / 0.15 - 0.4, 0, 1)
        bright = content.mean(axis=(0, 1)).mean() * np.float32(1.1)
        shown = (self._teeth * teeth)[..., None].astype(np.float32)
        behind = self._inside * (1 - shown) + bright * shown
        return np.asarray(content + gap * (behind - content), np.float32)

    def _find_places(self, pose: Matrix, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
        places = face_coordinates(pose, size)
        return places, _fade(places, self._mouth)

    def _make_mask(self, pose: Matrix, size: tuple[int, int]) -> Mask:
        return _mouth_mask(face_coordinates(pose, size), self._mouth)


class MouthOfAnotherMoment:
    """The mouth and jaw of other frames of the clip, in their order."""

    method = "mouth_reenactment.moment"
    uses_donor = False

    def __init__(self, clip: FaceClip, rng: np.random.Generator) -> None:
        """Draw a forgery.

        Args:
            clip: Whose mouth is moved; at least two frames.
            rng: Source of randomness.
        """
        self._clip = clip
        self._shape: FaceShape = find_shape(clip)
        self._late = int(rng.integers(1, max(2, len(clip) // 2 + 1)))
        # Where the mouth keeps still, this is all that is left of the forgery.
        self._softness = float(rng.uniform(0.01, 0.05))
        self._gain = np.float32(1 + rng.choice([-1, 1]) * rng.uniform(0.015, 0.05))
        self._mask: ForPose[Mask] = ForPose(self._make_mask)
        self._coordinates: ForPose[Pixels] = ForPose(face_coordinates)

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame."""
        other = back_and_forth(step + self._late, len(self._clip))
        picture = self._clip.frames[other]
        content = sample(picture, self._coordinates(patch), self._clip.pose(other))
        if self._softness:
            content = blur(content, self._softness * patch.unit)
        return Blend(content=content * self._gain, opacity=self._mask(patch))

    def _make_mask(self, pose: Matrix, size: tuple[int, int]) -> Mask:
        return _mouth_mask(face_coordinates(pose, size), self._shape.mouth)


def _reach(places: Pixels, mouth: Points) -> Pixels:
    """0 at the middle of the mouth, 1 where nothing is moved any more."""
    x, y = places[..., 0] - mouth[0], places[..., 1] - mouth[1]
    height = np.where(y < 0, _UP, _DOWN)
    return np.asarray(np.sqrt(np.square(x / _SIDE) + np.square(y / height)), np.float32)


def _fade(places: Pixels, mouth: Points) -> Pixels:
    rest = np.clip(1 - _reach(places, mouth), 0, 1)
    return np.asarray(rest * rest * (3 - 2 * rest), np.float32)


def _mouth_mask(places: Pixels, mouth: Points) -> Mask:
    reach = _reach(places, mouth)
    return np.asarray(np.clip((1.05 - reach) / 0.25, 0, 1), np.float32)
