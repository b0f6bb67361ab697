"""Crops as compressed pictures, for reports."""

import cv2
import numpy as np
from numpy.typing import NDArray

_JPEG_QUALITY = 85


def as_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Compress a picture.

    Args:
        picture: RGB (H, W, 3) uint8.

    Raises:
        RuntimeError: OpenCV cannot do it.
    """
    frame = np.ascontiguousarray(picture[:, :, ::-1])
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"OpenCV could not compress a picture of {frame.shape} as JPEG")
    return data.tobytes()
