"""What the parts of the comparison of face detectors exchange: pictures, boxes, searches."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Search = Callable[[Image], Boxes]

NO_BOXES: Boxes = np.zeros((0, 5))


def suppress(boxes: Boxes, *, overlap: float) -> Boxes:
    """Of boxes that overlap by more than `overlap` (IoU) keep the one with the best score."""
    kept: list[NDArray[np.float64]] = []
    for box in boxes[np.argsort(-boxes[:, 4])]:
        if all(intersection_over_union(box, other) <= overlap for other in kept):
            kept.append(box)
    return np.array(kept).reshape(-1, 5)


def intersection_over_union(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """IoU of two boxes of which the first four values are x, y, width, height."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:4], second[:2] + second[2:4])
    common = float(np.prod(np.maximum(high - low, 0)))
    whole = float(first[2] * first[3] + second[2] * second[3]) - common
    return common / whole if whole > 0 else 0.0
