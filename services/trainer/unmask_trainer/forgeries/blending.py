"""Blends an altered copy of a face into it.

The idea is that of self-blended images (Shiohara and Yamasaki, "Detecting Deepfakes with
Self-Blended Images", CVPR 2022): face swaps leave a blending border and a face whose geometry,
colour and sharpness do not quite match its surroundings, and all of that can be made from a
single real face. Here it is carried over to clips: everything is constant in the face's own
coordinates and follows the landmarks, with a small slow wander, as generated faces show it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.forgeries.clips import (
    Blend,
    FaceClip,
    FacePatch,
    ForPose,
    Frame,
    Mask,
    Pixels,
    render,
)
from unmask_trainer.forgeries.fields import draw_bend, to_pixels
from unmask_trainer.forgeries.geometry import (
    CENTER_Y,
    Matrix,
    Points,
    about,
    compose,
    face_coordinates,
    inverse,
    soft_mask,
)
from unmask_trainer.forgeries.recipes import Detail, Recipe
from unmask_trainer.noise import slow_noise


def forge(
    frames: Sequence[Frame],
    landmarks: Sequence[Points],
    recipe: Recipe,
    rng: np.random.Generator,
) -> Iterator[Frame]:
    """Blend an altered copy of the face into every frame.

    Args:
        frames: RGB (H, W, 3) uint8, consecutive.
        landmarks: (5, 2) for each frame, in pixels, left to right.
        recipe: What is done.
        rng: Draws the flicker and the elastic deformation.

    Returns:
        New frames, made as they are asked for; beyond the mask's feathered border their pixels are
        those of the original.

    Raises:
        ValueError: When frames and landmarks differ in number.
    """
    clip = FaceClip.tracked(frames, landmarks)
    return (frame for frame, _ in render(clip, AlteredCopy(recipe, len(clip), rng)))


@dataclass(frozen=True, kw_only=True)
class Wander:
    """What flickers: shift (T, 2) in eye distances, gain (T,), opacity (T,)."""

    shift: Points
    gain: NDArray[np.float64]
    opacity: NDArray[np.float64]


def draw_wander(rng: np.random.Generator, steps: int, flicker: float) -> Wander:
    """Slow noise for each frame; `flicker` scales it."""
    noise = slow_noise(rng, steps=steps, channels=4, width=1.2)
    return Wander(
        shift=noise[:, :2] * 0.012 * flicker,
        gain=1 + noise[:, 2] * 0.012 * flicker,
        opacity=np.clip(1 - np.abs(noise[:, 3]) * 0.05 * flicker, 0, 1),
    )


class AlteredCopy:
    """The forgery that a recipe describes."""

    uses_donor = False

    def __init__(self, recipe: Recipe, steps: int, rng: np.random.Generator) -> None:
        """Draw what the recipe leaves open.

        Args:
            recipe: What is done.
            steps: Number of frames.
            rng: Draws the flicker and the elastic deformation.
        """
        self._recipe = recipe
        self._wander = draw_wander(rng, steps, recipe.flicker)
        self._bend = draw_bend(rng, recipe.bend)
        self._mask: ForPose[Mask] = ForPose(self._make_mask)
        self._bent: ForPose[Pixels] = ForPose(self._bend_places)

    @property
    def method(self) -> str:
        """E.g. `self_blend.mouth.blurred`."""
        return self._recipe.method

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame."""
        recipe = self._recipe
        content = self._move(patch, self._wander.shift[step])
        content = change_detail(content, recipe.detail, recipe.detail_strength, patch.unit)
        gain = np.array(recipe.gain, np.float32) * np.float32(self._wander.gain[step])
        content = content * gain + np.array(recipe.offset, np.float32)
        opacity = self._mask(patch) * np.float32(recipe.opacity * self._wander.opacity[step])
        return Blend(content=content, opacity=opacity)

    def _make_mask(self, pose: Matrix, size: tuple[int, int]) -> Mask:
        return soft_mask(self._recipe.outline, pose, size=size, feather=self._recipe.feather)

    def _bend_places(self, pose: Matrix, size: tuple[int, int]) -> Pixels:
        """Where in the face each pixel's content comes from before it is moved: (h, w, 2)."""
        return face_coordinates(pose, size) + to_pixels(self._bend, pose, size)

    def _move(self, patch: FacePatch, wander: Points) -> Pixels:
        """Shift, scale, turn and bend the content about the middle of the face."""
        recipe = self._recipe
        middle = np.array([0, CENTER_Y])
        in_face = about(middle, scale=recipe.scale, turn=recipe.turn, shift=recipe.shift)
        in_face[:, 2] += wander
        if not recipe.bend:
            forwards = compose(patch.pose, compose(in_face, inverse(patch.pose)))
            size = (patch.size[1], patch.size[0])
            moved = cv2.warpAffine(patch.pixels, forwards, size, borderMode=cv2.BORDER_REPLICATE)
            return np.asarray(moved, np.float32)
        return sample(patch.pixels, self._bent(patch), compose(patch.pose, inverse(in_face)))


def sample(picture: Frame | Pixels, places: Pixels, to_picture: Matrix) -> Pixels:
    """Read a picture at places (h, w, 2) that an affine map (2, 3) takes to its pixels."""
    where = cv2.transform(places, to_picture.astype(np.float32))
    found = cv2.remap(picture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # OpenCV takes both maps as one
    return np.asarray(found, np.float32)


def change_detail(content: Pixels, kind: Detail, strength: float, unit: float) -> Pixels:
    """Take fine detail away, or add to it.

    Args:
        content: (h, w, 3).
        kind: What is done.
        strength: In (0, 1].
        unit: The distance between the eyes, in pixels.
    """
    match kind:
        case Detail.AS_IS:
            return content
        case Detail.BLURRED:
            return blur(content, (0.01 + 0.03 * strength) * unit)
        case Detail.SHARPENED:
            rough = content - blur(content, 0.03 * unit)
            return content + np.float32(0.5 + 1.5 * strength) * rough
        case Detail.LOW_RESOLUTION:
            # Face swapping networks work at 64 to 256 pixels for the whole face.
            height, width = content.shape[:2]
            ratio = min(1.0, (40 - 22 * strength) / unit)
            small = max(16, round(width * ratio)), max(16, round(height * ratio))
            shrunk = cv2.resize(content, small, interpolation=cv2.INTER_AREA)
            large = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC)
            return np.asarray(large, np.float32)


def blur(content: Pixels, sigma: float) -> Pixels:
    """A Gaussian blur, of at least 0.3 pixels."""
    return np.asarray(cv2.GaussianBlur(content, (0, 0), max(sigma, 0.3)), np.float32)
