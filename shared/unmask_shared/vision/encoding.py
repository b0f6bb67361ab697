"""Face crops and thumbnails as they are stored; `crops` reads what this writes."""

import io
import zipfile
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import FaceFrame
from unmask_shared.vision.face_track import FaceTrack, check_crops
from unmask_shared.vision.parts import work_in_parts
from unmask_shared.vision.png import encode_png

# The earliest time that ZIP can express: the bytes must not depend on the clock.
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)
_JPEG_QUALITY: Final = 90
# Neighbouring frames are as sharp as each other.
_THUMBNAIL_CANDIDATES: Final = 24


def encode_crops(frames: Sequence[FaceFrame], crops: NDArray[np.uint8]) -> bytes:
    """Pack crops into an archive with one `{frame:06d}.png` each, in order.

    The same crops give the same bytes on processors of one kind.

    Args:
        frames: Where the crops are from.
        crops: `(N, S, S, 3)` uint8 RGB, one per frame.

    Raises:
        ValueError: The crops do not fit the frames.
    """
    check_crops(crops, count=len(frames))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for frame, png in zip(frames, work_in_parts(_encode_part, crops), strict=True):
            member = zipfile.ZipInfo(f"{frame.frame:06d}.png", date_time=_FIXED_TIME)
            archive.writestr(member, png)
    return buffer.getvalue()


def _encode_part(pictures: NDArray[np.uint8]) -> list[bytes]:
    return [encode_png(picture) for picture in pictures]


def thumbnail_jpeg(track: FaceTrack) -> bytes:
    """Encode a crop that shows a face well: sharp, frontal and large in the video.

    The best of some that are spread over the track; of whole frames, the sharpest of these.

    Returns:
        A JPEG file.
    """
    count = len(track.frames)
    candidates = np.linspace(0, count - 1, min(count, _THUMBNAIL_CANDIDATES)).round().astype(int)
    best = max(candidates.tolist(), key=lambda index: _quality(track, index))
    picture = cv2.cvtColor(track.crops[best], cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg.tobytes()


def _quality(track: FaceTrack, index: int) -> float:
    grey = cv2.cvtColor(track.crops[index], cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    frame = track.frames[index]
    return float(deviation[0, 0]) * frame.box.width * _frontality(frame)


def _frontality(frame: FaceFrame) -> float:
    """1 where the nose lies midway between the eyes, towards 0 as the head turns aside."""
    if frame.landmarks is None:
        return 1.0
    points = np.array(frame.landmarks)
    left, right, nose = points[:2].mean(axis=0), points[2:4].mean(axis=0), points[4]
    axis = right - left
    along = float((nose - left) @ axis / (axis @ axis))
    return max(0.05, 1 - 2 * abs(along - 0.5))
