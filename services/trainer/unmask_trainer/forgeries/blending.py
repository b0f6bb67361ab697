"""Forges a clip of a face by blending an altered face into it.

The idea is that of self-blended images (Shiohara and Yamasaki, "Detecting Deepfakes with
Self-Blended Images", CVPR 2022): face swaps leave a blending border and a face whose geometry,
colour and sharpness do not quite match its surroundings, and all of that can be made from a
single real face. Here it is carried over to clips: everything is constant in the face's own
coordinates and follows the landmarks, with a small slow wander, as generated faces show it. The
blended face is either an altered copy of the same face or that of another person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.align import smooth
from unmask_trainer.forgeries.geometry import (
    Matrix,
    Outline,
    Points,
    Region,
    compose,
    face_to_frame,
    inverse,
    soft_mask,
)
from unmask_trainer.forgeries.recipes import Detail, Recipe
from unmask_trainer.noise import slow_noise

Frame = NDArray[np.uint8]
Patch = NDArray[np.float32]

# Half the side of the square that is worked on, in eye distances: it holds the widest mask.
_REACH = 2.3
_CENTER_Y = 0.55


@dataclass(frozen=True, kw_only=True)
class Donor:
    """Another person's face: an RGB picture and its five landmarks (5, 2) in pixels."""

    picture: Frame
    landmarks: Points


@dataclass(frozen=True, kw_only=True)
class _Wander:
    """What flickers: shift (T, 2) in eye distances, gain (T,), opacity (T,)."""

    shift: Points
    gain: NDArray[np.float64]
    opacity: NDArray[np.float64]


def forge(
    frames: Sequence[Frame],
    landmarks: Sequence[Points],
    recipe: Recipe,
    rng: np.random.Generator,
    donor: Donor | None = None,
) -> Iterator[Frame]:
    """Blend an altered face into every frame.

    Args:
        frames: RGB (H, W, 3) uint8, consecutive.
        landmarks: (5, 2) for each frame, in pixels, left to right.
        recipe: What is done.
        rng: Draws the flicker and the elastic deformation.
        donor: Whose face is blended in when `recipe.swaps_person`.

    Returns:
        New frames, made as they are asked for; beyond the mask's feathered border their pixels are
        those of the original.

    Raises:
        ValueError: When frames and landmarks differ in number, or a donor is needed and missing.
    """
    if len(frames) != len(landmarks):
        raise ValueError(f"{len(frames)} frames, but landmarks for {len(landmarks)}")
    if recipe.swaps_person and donor is None:
        raise ValueError("the recipe swaps the person, but no donor was given")
    return _forge(frames, face_poses(landmarks), recipe, rng, donor)


def face_poses(landmarks: Sequence[Points]) -> list[Matrix]:
    """Where the face lies in each frame, without the landmarks' jitter; see `face_to_frame`."""
    return [face_to_frame(points) for points in smooth(np.stack(landmarks))]


def _forge(
    frames: Sequence[Frame],
    poses: Sequence[Matrix],
    recipe: Recipe,
    rng: np.random.Generator,
    donor: Donor | None,
) -> Iterator[Frame]:
    wander = _draw_wander(rng, len(frames), recipe.flicker)
    bend = _draw_bend(rng, recipe.bend)
    colours = None
    for step, (frame, pose) in enumerate(zip(frames, poses, strict=True)):
        window = _Window.around(pose, frame)
        original = window.cut(frame)
        local = window.localise(pose)
        if recipe.swaps_person and donor is not None:
            content = _bring(donor, local, original.shape[0])
            # Fixed on the first frame: colours matched anew each time would pulse.
            colours = colours or _colour_match(content, original, recipe.outline, local)
            content = content * colours[0] + colours[1]
        else:
            content = original
        content = _move(content, local, recipe, wander.shift[step], bend)
        content = _degrade(content, recipe, local)
        content = content * (np.array(recipe.gain, np.float32) * np.float32(wander.gain[step]))
        content = content + np.array(recipe.offset, np.float32)
        mask = soft_mask(recipe.outline, local, size=original.shape[:2], feather=recipe.feather)
        opacity = mask[..., None] * np.float32(recipe.opacity * wander.opacity[step])
        yield window.paste(frame, original + opacity * (content - original), mask)


@dataclass(frozen=True, kw_only=True)
class _Window:
    """An upright square of a frame; it may reach beyond the frame."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, pose: Matrix, frame: Frame) -> "_Window":
        eye_distance = np.sqrt(abs(np.linalg.det(pose[:, :2])))
        center = pose @ np.array([0, _CENTER_Y, 1])
        side = int(np.clip(2 * _REACH * eye_distance, 16, 2 * max(frame.shape[:2])))
        left, top = (int(value) for value in np.round(center - side / 2))
        return cls(left=left, top=top, side=side)

    def localise(self, pose: Matrix) -> Matrix:
        return np.column_stack([pose[:, :2], pose[:, 2] - (self.left, self.top)])

    def cut(self, frame: Frame) -> Patch:
        rows = np.clip(np.arange(self.top, self.top + self.side), 0, frame.shape[0] - 1)
        columns = np.clip(np.arange(self.left, self.left + self.side), 0, frame.shape[1] - 1)
        return frame[rows][:, columns].astype(np.float32)

    def paste(self, frame: Frame, patch: Patch, mask: NDArray[np.float32]) -> Frame:
        top, left = max(self.top, 0), max(self.left, 0)
        bottom = min(self.top + self.side, frame.shape[0])
        right = min(self.left + self.side, frame.shape[1])
        if top >= bottom or left >= right:
            return frame.copy()
        inside = np.s_[top - self.top : bottom - self.top, left - self.left : right - self.left]
        new = np.clip(np.rint(patch[inside]), 0, 255).astype(np.uint8)
        result = frame.copy()
        target = result[top:bottom, left:right]
        np.copyto(target, new, where=mask[inside][..., None] > 0)
        return result


def _draw_wander(rng: np.random.Generator, steps: int, flicker: float) -> _Wander:
    noise = slow_noise(rng, steps=steps, channels=4, width=1.2)
    return _Wander(
        shift=noise[:, :2] * 0.012 * flicker,
        gain=1 + noise[:, 2] * 0.012 * flicker,
        opacity=np.clip(1 - np.abs(noise[:, 3]) * 0.05 * flicker, 0, 1),
    )


def _draw_bend(rng: np.random.Generator, amplitude: float) -> Points:
    """A coarse displacement field (5, 5, 2) over the window, in eye distances."""
    return np.asarray(rng.uniform(-1, 1, (5, 5, 2)) * amplitude)


def _bring(donor: Donor, local: Matrix, side: int) -> Patch:
    """The donor's face (side, side, 3), placed where the original face is."""
    pose, picture = face_to_frame(donor.landmarks), donor.picture
    ratio = float(np.sqrt(np.linalg.det(local[:, :2]) / np.linalg.det(pose[:, :2])))
    if ratio < 1:
        # Warping alone would skip pixels and alias.
        height, width = picture.shape[:2]
        smaller = max(1, round(width * ratio)), max(1, round(height * ratio))
        picture = np.asarray(cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA), np.uint8)
        pose = np.diag((smaller[0] / width, smaller[1] / height)) @ pose
    warped = cv2.warpAffine(
        picture,
        compose(local, inverse(pose)),
        (side, side),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.float32)


def _colour_match(
    content: Patch, original: Patch, outline: Outline, local: Matrix
) -> tuple[Patch, Patch]:
    """Gain and offset that give the content the original's colour statistics inside the face."""
    core = Outline(region=Region.INNER_FACE, stretch=outline.stretch)
    inside = soft_mask(core, local, size=original.shape[:2], feather=0.02) > 0.5
    want, have = original[inside], content[inside]
    gain = np.clip(want.std(axis=0) / np.maximum(have.std(axis=0), 1.0), 0.5, 2.0)
    return gain, want.mean(axis=0) - gain * have.mean(axis=0)


def _move(content: Patch, local: Matrix, recipe: Recipe, wander: Points, bend: Points) -> Patch:
    """Shift, scale, turn and bend the content about the middle of the face."""
    cosine, sine = np.cos(recipe.turn) * recipe.scale, np.sin(recipe.turn) * recipe.scale
    pivot = np.array([0, _CENTER_Y])
    linear = np.array([[cosine, -sine], [sine, cosine]])
    in_face = np.column_stack([linear, pivot - linear @ pivot + np.array(recipe.shift) + wander])
    backwards = inverse(compose(local, compose(in_face, inverse(local))))
    side = content.shape[0]
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    x = backwards[0, 0] * columns + backwards[0, 1] * rows + backwards[0, 2]
    y = backwards[1, 0] * columns + backwards[1, 1] * rows + backwards[1, 2]
    if recipe.bend:
        eye_distance = side / (2 * _REACH)
        field = cv2.resize(bend * eye_distance, (side, side), interpolation=cv2.INTER_CUBIC)
        x, y = x + field[..., 0], y + field[..., 1]
    moved = cv2.remap(
        content,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32)


def _degrade(content: Patch, recipe: Recipe, local: Matrix) -> Patch:
    eye_distance = float(np.sqrt(abs(np.linalg.det(local[:, :2]))))
    strength = recipe.detail_strength
    match recipe.detail:
        case Detail.AS_IS:
            return content
        case Detail.BLURRED:
            return _blur(content, (0.01 + 0.03 * strength) * eye_distance)
        case Detail.SHARPENED:
            rough = content - _blur(content, 0.03 * eye_distance)
            return content + (0.5 + 1.5 * strength) * rough
        case Detail.LOW_RESOLUTION:
            # Face swapping networks work at 64 to 256 pixels for the whole face.
            side = content.shape[0]
            small = max(16, round(side * min(1.0, (40 - 22 * strength) / eye_distance)))
            shrunk = cv2.resize(content, (small, small), interpolation=cv2.INTER_AREA)
            return np.asarray(cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_CUBIC))


def _blur(content: Patch, sigma: float) -> Patch:
    return np.asarray(cv2.GaussianBlur(content, (0, 0), max(sigma, 0.3)), np.float32)
