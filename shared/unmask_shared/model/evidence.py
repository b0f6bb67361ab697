"""What a network saw in a clip, as numbers that can be shown."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class ClipEvidence:
    """The outcome of a clip, and where it comes from.

    Attributes:
        logits: (2,) float32, of real and fake.
        maps: (T, h, w) float32, the signed evidence at each place of each frame, as `GradCam` has
            it: positive where it speaks for a forgery.

    Raises:
        ValueError: When the shapes are others.
    """

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.logits.shape != (2,) or self.maps.ndim != 3 or not self.maps.size:
            raise ValueError(
                f"evidence has logits (2,) and maps (T, h, w), not {self.logits.shape} and "
                f"{self.maps.shape}"
            )

    @property
    def contributions(self) -> NDArray[np.float32]:
        """(T,) what each frame adds to the score for a forgery, to first order; of either sign."""
        sums: NDArray[np.float32] = self.maps.sum(axis=(1, 2))
        return sums

    def heatmap(self, position: int, side: int) -> NDArray[np.float32]:
        """What speaks for a forgery in one frame, as large as a crop.

        All frames have one scale, on which 1 is the strongest evidence of the clip in either
        direction: a clip in which nearly everything speaks against a forgery stays pale.

        Args:
            position: Of the frame in the clip.
            side: S, in pixels.

        Returns:
            (S, S) float32 in [0, 1].
        """
        strongest = float(np.abs(self.maps).max())
        heat = np.maximum(self.maps[position], 0) / (strongest or 1.0)
        maps = torch.from_numpy(heat)[None, None]
        larger = functional.interpolate(maps, size=(side, side), mode="bilinear")
        result: NDArray[np.float32] = larger[0, 0].clamp(0, 1).numpy()
        return result
