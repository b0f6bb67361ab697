"""Draws a heatmap over the crop that it is about."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

# Perceptually uniform (van der Walt and Smith, SciPy 2015): equal steps look equal, also to the
# colour-blind and in grey.
_COLOURS: Final = cv2.COLORMAP_PLASMA
_MOST_OPAQUE: Final = 0.75


def overlay(crop: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour a crop by a heatmap; the hotter a place, the less of the crop shows through.

    Args:
        crop: (S, S, 3) uint8 RGB.
        heat: (S, S) in [0, 1], such as `ClipEvidence.heatmap` gives.

    Returns:
        (S, S, 3) uint8 RGB. Where the heat is 0, the crop in grey.

    Raises:
        ValueError: When the sizes differ, or the heat leaves its range.
    """
    if crop.dtype != np.uint8 or crop.shape != (*heat.shape, 3):
        raise ValueError(f"a crop {crop.dtype} {crop.shape} does not fit a map {heat.shape}")
    if not np.all((heat >= 0) & (heat <= 1)):
        raise ValueError(f"heat is in [0, 1], not in [{heat.min()}, {heat.max()}]")
    levels = np.rint(heat * 255).astype(np.uint8)
    coloured = cv2.applyColorMap(levels, _COLOURS)[..., ::-1].astype(np.float32)
    # Grey below, so that every colour comes from the map.
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    opacity = (_MOST_OPAQUE * np.sqrt(heat))[..., None]
    return np.rint(grey + opacity * (coloured - grey)).astype(np.uint8)
