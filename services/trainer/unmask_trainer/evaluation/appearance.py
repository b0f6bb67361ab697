"""What a face looks like, as far as its pixels tell: groups to compare where no label exists."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.align import template

COLUMN: Final = "apparent_skin"
# Degrees of the individual typology angle (Chardon, Cretois and Hourseau, "Skin colour typology and
# suntanning pathways", 1991): light skin above the first, intermediate and tan above the second.
_LIGHT, _TAN = 41.0, 10.0
# Fields of skin beside the nose, in eye distances from the middle of the eyes: across, down, and
# half a side.
_CHEEK: Final = (0.5, 0.45, 0.14)


def apparent_skin(crop: NDArray[np.uint8], *, margin: float) -> str:
    """How light the skin of the cheeks is in a picture.

    By the individual typology angle, the angle of lightness over yellowness in CIELAB. Light and
    camera are in it: it sorts pictures, not people.

    Args:
        crop: (S, S, 3) uint8 RGB, aligned.
        margin: The crop's margin, as in the face pipeline's settings.

    Returns:
        `light`, `medium` or `dark`.
    """
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    skin = np.concatenate([lab[field].reshape(-1, 3) for field in _cheeks(len(crop), margin)])
    lightness, _, yellowness = np.median(skin, axis=0)
    angle = np.degrees(np.arctan2(lightness - 50, max(float(yellowness), 1e-6)))
    if angle > _LIGHT:
        return "light"
    return "medium" if angle > _TAN else "dark"


def _cheeks(side: int, margin: float) -> list[tuple[slice, slice]]:
    points = template(side, margin)
    left, right = points[0:2].mean(axis=0), points[2:4].mean(axis=0)
    middle, unit = (left + right) / 2, float(np.linalg.norm(right - left))
    across, down, half = (value * unit for value in _CHEEK)
    fields = []
    for sign in (-1, 1):
        x, y = middle[0] + sign * across, middle[1] + down
        fields.append((_around(y, half), _around(x, half)))
    return fields


def _around(middle: float, half: float) -> slice:
    start = round(middle - half)
    return slice(start, max(start + 1, round(middle + half)))
