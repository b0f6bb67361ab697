"""Self-blended images by the paper's recipe, for clips.

Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022, section 3. The
source-target generator makes a source of the picture itself: colours (shift of the channels, hue,
saturation, brightness, contrast), frequencies (sharpened, or reduced and enlarged), then a resize
and a translation. The mask generator takes the hull of the landmarks, deforms it elastically, blurs
it, erodes or dilates it and blurs it again. Blend ratios are {0.25, 0.5, 0.75, 1, 1, 1}.

Two things differ. The paper changes either the source or the target; here it is always the source,
because the control has to stay the clip itself. And all draws hold for the whole clip.
"""

from typing import Final

import cv2
import numpy as np

from unmask_trainer.forgeries.blending import blur, sample
from unmask_trainer.forgeries.clips import Blend, FacePatch, ForPose, Mask, Pixels
from unmask_trainer.forgeries.face_shape import FaceShape
from unmask_trainer.forgeries.fields import draw_bend, to_pixels
from unmask_trainer.forgeries.geometry import (
    CENTER_Y,
    Matrix,
    apply,
    compose,
    face_coordinates,
    filled,
    inverse,
)

BLEND_RATIOS: Final = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
_FACE_SIDE: Final = 2.6
_RESIZE, _SHIFT = 0.05, (0.03, 0.015)
_ELASTIC: Final = 0.12


class SelfBlended:
    """One draw of the paper's generators."""

    method = "self_blend.sbi"
    uses_donor = False

    def __init__(self, shape: FaceShape, rng: np.random.Generator) -> None:
        """Draw a forgery.

        Args:
            shape: Of the face, for its hull.
            rng: Source of randomness.
        """
        self._shape = shape
        self._colours = _draw_colours(rng)
        self._sharpened = bool(rng.random() < 0.5)
        self._factor = int(rng.choice([2, 4]))
        scale = rng.uniform(1 - _RESIZE, 1 + _RESIZE, 2)
        shift = rng.uniform(-1, 1, 2) * _SHIFT * _FACE_SIDE
        middle = np.array([0.0, CENTER_Y])
        self._moved: Matrix = np.column_stack([np.diag(scale), middle - scale * middle + shift])
        self._elastic = draw_bend(rng, _ELASTIC, knots=7)
        self._soft = rng.uniform(0.03, 0.09, 2)
        self._grown = bool(rng.random() < 0.5)
        self._hull = shape.hull(brow=float(rng.uniform(0.35, 0.75)))
        self._ratio = np.float32(rng.choice(BLEND_RATIOS))
        self._mask: ForPose[Mask] = ForPose(self._make_mask)

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame."""
        del step
        return Blend(content=self._source(patch), opacity=self._mask(patch) * self._ratio)

    def _source(self, patch: FacePatch) -> Pixels:
        content = cv2.transform(patch.pixels, self._colours)
        if self._sharpened:
            rough = content - blur(np.asarray(content, np.float32), 0.03 * patch.unit)
            content = content + rough
        else:
            height, width = patch.size
            # Halved or quartered in the paper, whose faces have some 90 pixels between the eyes.
            factor = max(1.0, self._factor * min(1.0, patch.unit / 90))
            small = max(8, round(width / factor)), max(8, round(height / factor))
            content = cv2.resize(content, small, interpolation=cv2.INTER_AREA)
            content = cv2.resize(content, (width, height), interpolation=cv2.INTER_LINEAR)
        forwards = compose(patch.pose, compose(self._moved, inverse(patch.pose)))
        size = (patch.size[1], patch.size[0])
        moved = cv2.warpAffine(content, forwards, size, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)

    def _make_mask(self, pose: Matrix, size: tuple[int, int]) -> Mask:
        unit = float(np.sqrt(abs(np.linalg.det(pose[:, :2]))))
        hull = filled(apply(pose, self._hull), size)[..., None]
        places = face_coordinates(pose, size) + to_pixels(self._elastic, pose, size)
        mask = sample(np.repeat(hull, 3, axis=2), places, pose)[..., 0]
        first = blur(mask, self._soft[0] * unit)
        # All that the first blur reached, or only what it left whole: dilation or erosion.
        hard = (first > 0.05 if self._grown else first > 0.95).astype(np.float32)
        soft = np.asarray(blur(hard, self._soft[1] * unit), np.float32)
        return np.where(soft < 1 / 512, np.float32(0), np.minimum(soft, np.float32(1)))


def _draw_colours(rng: np.random.Generator) -> Matrix:
    """Brightness, contrast, saturation, hue and shifts of the channels as one map (3, 4)."""
    saturation, contrast = rng.uniform(0.7, 1.3), rng.uniform(0.9, 1.1)
    grey = np.full((3, 3), 1 / 3)
    angle = rng.uniform(-0.1, 0.1)
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.cross(np.eye(3), axis)
    # Hue: a turn about the axis of the greys (Rodrigues).
    hue = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * grey
    matrix = contrast * hue @ (grey + saturation * (np.eye(3) - grey))
    offset = 128 * (1 - contrast) + rng.uniform(-20, 20, 3) + rng.uniform(-0.1, 0.1) * 128
    return np.column_stack([matrix, offset]).astype(np.float32).astype(np.float64)
