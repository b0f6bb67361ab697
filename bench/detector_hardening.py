"""Frames made harder on purpose: the clips at hand show few small, dark or moving faces."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from detector_boxes import Image
from detector_truth import Face, only

_SMALL = 0.04
_EXPOSURE = 0.12
_NOISE = 3.0
_SMEAR = 0.3


def harden(
    image: Image, faces: Sequence[Face], random: np.random.Generator
) -> dict[str, tuple[Image, list[Face]]]:
    """Three harder versions of a frame, and where its largest face is in each.

    Returns:
        `shrunk`: scaled down on a grey canvas of the frame's size until the face is 4 % of the
        longer side; `darkened`: an eighth of the light, with sensor noise; `smeared`: moved during
        exposure by three tenths of the face.
    """
    asked = [face for face in faces if not face.ignored]
    if not asked:
        return {}
    largest = max(asked, key=lambda face: float(face.box[2]))
    side = float(largest.box[2])
    noisy = image * _EXPOSURE + random.normal(0, _NOISE, image.shape)
    smear = np.full((1, max(1, round(_SMEAR * side))), 1 / max(1, round(_SMEAR * side)))
    same_place = only(largest, faces)
    return {
        "shrunk": _shrink(image, same_place, _SMALL * max(image.shape[:2]) / side),
        "darkened": (np.clip(noisy, 0, 255).astype(np.uint8), same_place),
        "smeared": (cv2.filter2D(image, -1, smear).astype(np.uint8, copy=False), same_place),
    }


def _shrink(image: Image, faces: Sequence[Face], scale: float) -> tuple[Image, list[Face]]:
    if scale >= 1:
        return image, list(faces)
    height, width = image.shape[:2]
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas = np.full_like(image, 128)
    canvas[top : top + size[1], left : left + size[0]] = small
    moved = [replace(face, box=face.box * scale + np.array([left, top, 0, 0])) for face in faces]
    return canvas, moved
