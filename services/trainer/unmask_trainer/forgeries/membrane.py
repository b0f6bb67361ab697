"""Gradient-domain blending without a solver: the seam's difference, spread over the inside.

Poisson blending adds to the pasted face a smooth membrane that takes away the difference at the
border. Mean-value coordinates interpolate nearly the same membrane (Farbman et al., "Coordinates
for Instant Image Cloning", SIGGRAPH 2009), and their weights hang on the outline alone, which is
constant in the face's coordinates: one matrix product for a frame. Solved anew for every frame, as
by `cv2.seamlessClone`, the noise at the border would make the whole face pulse; here the
differences are taken at a few frames and interpolated over time.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.forgeries.clips import FaceClip, FacePatch, Pixels
from unmask_trainer.forgeries.fields import GRID, grid_points, to_pixels
from unmask_trainer.forgeries.geometry import CENTER_Y, Points, apply

_KEY_FRAMES = 6
_NEAR, _MOST = 3, 45.0


class Membrane:
    """What has to be added to content, so that it meets its surroundings at an outline."""

    def __init__(
        self, clip: FaceClip, outline: Points, content: Callable[[int, FacePatch], Pixels]
    ) -> None:
        """Measure the differences.

        Args:
            clip: The surroundings.
            outline: Closed polygon (N, 2) in coordinates of the face, star-shaped about its middle.
            content: Gives the pixels that are to be pasted.
        """
        self._weights = _mean_value_weights(grid_points(), outline)
        self._steps = clip.spread(_KEY_FRAMES)
        self._differences = np.stack(
            [_difference(step, clip, outline, content) for step in self._steps]
        )

    def at(self, step: int, patch: FacePatch) -> Pixels:
        """The correction (h, w, 3) for a frame."""
        late = int(np.searchsorted(self._steps, step))
        after, before = min(late, len(self._steps) - 1), max(0, min(late, len(self._steps)) - 1)
        span = self._steps[after] - self._steps[before]
        share = (step - self._steps[before]) / span if span else 0.0
        seam = (1 - share) * self._differences[before] + share * self._differences[after]
        values = (self._weights @ seam).reshape(GRID, GRID, 3).astype(np.float32)
        return to_pixels(values, patch.pose, patch.size)


def _difference(
    step: int,
    clip: FaceClip,
    outline: Points,
    content: Callable[[int, FacePatch], Pixels],
) -> NDArray[np.float64]:
    window, patch = clip.patch(step)
    if window.empty:
        return np.zeros((len(outline), 3))
    gap = np.asarray(patch.pixels - content(step, patch), np.float32)
    soft = cv2.GaussianBlur(gap, (0, 0), max(0.8, 0.06 * patch.unit))
    places = apply(patch.pose, outline).astype(np.float32)[:, None]
    found = cv2.remap(soft, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # OpenCV takes both maps as one
    # Hair or a hand at the border is no reason to paint the whole cheek: what stands out counts as
    # much as its neighbours do.
    seam = found[:, 0].astype(np.float64)
    around = np.stack([np.roll(seam, shift, axis=0) for shift in range(-_NEAR, _NEAR + 1)])
    return np.asarray(np.clip(np.median(around, axis=0), -_MOST, _MOST))


def _mean_value_weights(places: Points, outline: Points) -> NDArray[np.float64]:
    """Weights (P, N) of the outline's points at each place, rows summing to 1."""
    inside = _pulled_inside(places, outline)
    spokes = outline[None] - inside[:, None]
    lengths = np.maximum(np.linalg.norm(spokes, axis=2), 1e-9)
    following = np.roll(spokes, -1, axis=1)
    cross = spokes[..., 0] * following[..., 1] - spokes[..., 1] * following[..., 0]
    dot = (spokes * following).sum(axis=2)
    # tan(angle / 2) between each spoke and the next one (Floater, 2003).
    tangents = np.tan(np.arctan2(cross, dot) / 2)
    weights = (tangents + np.roll(tangents, 1, axis=1)) / lengths
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _pulled_inside(places: Points, outline: Points) -> Points:
    """Places beyond the outline, moved to just inside of it; nothing of them is seen."""
    middle = np.array([0.0, CENTER_Y])
    rim, spokes = outline - middle, places - middle
    rim_angles = np.arctan2(rim[:, 1], rim[:, 0])
    order = np.argsort(rim_angles)
    limit = np.interp(
        np.arctan2(spokes[:, 1], spokes[:, 0]),
        rim_angles[order],
        np.linalg.norm(rim, axis=1)[order],
        period=2 * np.pi,
    )
    radius = np.maximum(np.linalg.norm(spokes, axis=1), 1e-9)
    return np.asarray(middle + spokes * np.minimum(1, 0.97 * limit / radius)[:, None])
