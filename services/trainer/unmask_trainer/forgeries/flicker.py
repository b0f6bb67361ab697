"""A face that trembles: each frame hardly differs from a real one, their sequence does.

Networks that swap faces draw every frame for itself, so that a face shifts, grows and brightens a
little from one frame to the next, without the inertia of a head. Detectors that look at single
frames cannot see that (compare Sabir et al., "Recurrent Convolutional Strategies for Face
Manipulation Detection in Videos", CVPR workshops 2019). Here the clip's own face does it, under a
border so wide that a single frame shows none.
"""

import cv2
import numpy as np

from unmask_trainer.forgeries.clips import Blend, FacePatch, ForPose, Mask
from unmask_trainer.forgeries.geometry import (
    CENTER_Y,
    Matrix,
    Outline,
    Region,
    about,
    compose,
    inverse,
    soft_mask,
)


class Flicker:
    """The clip's own face, put back a little beside itself, anew in each frame."""

    method = "flicker.own"
    uses_donor = False

    def __init__(self, steps: int, rng: np.random.Generator) -> None:
        """Draw a forgery.

        Args:
            steps: Number of frames; of a single one this would be no forgery.
            rng: Draws how strongly what flickers, and each frame's share.
        """
        strength = float(rng.uniform(0.4, 1.2))
        # Eye distances, factors and radians: about a pixel in crops of 144.
        self._shift = rng.normal(0, 0.02 * strength, (steps, 2))
        self._scale = 1 + rng.normal(0, 0.01 * strength, steps)
        self._turn = rng.normal(0, 0.008 * strength, steps)
        brightness = rng.normal(0, 0.015 * strength, (steps, 1))
        tint = rng.normal(0, 0.004 * strength, (steps, 3))
        self._gain = (1 + brightness + tint).astype(np.float32)
        self._feather = float(rng.uniform(0.12, 0.25))
        self._mask: ForPose[Mask] = ForPose(self._make_mask)

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame."""
        in_face = about(
            np.array([0, CENTER_Y]),
            scale=self._scale[step],
            turn=self._turn[step],
            shift=self._shift[step],
        )
        content = cv2.warpAffine(
            patch.pixels,
            compose(patch.pose, compose(in_face, inverse(patch.pose))),
            (patch.size[1], patch.size[0]),
            # A softer picture than the original would be a trace in every single frame.
            flags=cv2.INTER_LANCZOS4,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return Blend(
            content=np.asarray(content * self._gain[step], np.float32), opacity=self._mask(patch)
        )

    def _make_mask(self, pose: Matrix, size: tuple[int, int]) -> Mask:
        outline = Outline(region=Region.INNER_FACE, stretch=(0.95, 0.95))
        return soft_mask(outline, pose, size=size, feather=self._feather)
