"""Face crops and thumbnails as they are stored; `crops` reads what this writes."""

import io
import math
import os
import sys
import threading
import zipfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import FaceFrame
from unmask_shared.closing import Closing
from unmask_shared.vision.face_track import FacePiece, FaceTrack, check_crops
from unmask_shared.vision.parts import count_threads, work_in_parts
from unmask_shared.vision.png import encode_png

# The earliest time that ZIP can express: the bytes must not depend on the clock.
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)
_JPEG_QUALITY: Final = 90
# Crops that a thread encodes one after the other: handing over takes time, too.
_TOGETHER: Final = 16
# Steps of niceness: a third of the time of a thread that does not stand back.
_STANDING_BACK: Final = 5
# Neighbouring frames are as sharp as each other.
_THUMBNAIL_CANDIDATES: Final = 24


class CropEncoder(Closing):
    """Encodes the crops of one video in threads, as they come."""

    def __init__(self) -> None:
        """Start without any crops."""
        self._threads = ThreadPoolExecutor(
            count_threads(), thread_name_prefix="pictures", initializer=_stand_back
        )
        # The pieces are kept, or others might get their ids.
        self._encoded: dict[int, tuple[FacePiece, list[Future[list[bytes]]]]] = {}

    def add(self, piece: FacePiece) -> None:
        """Begin to encode the crops of a piece, of which `archive` will be asked for a track."""
        self._encoded[id(piece)] = (
            piece,
            [
                self._threads.submit(_encode_part, piece.crops[start : start + _TOGETHER])
                for start in range(0, len(piece.crops), _TOGETHER)
            ],
        )

    def archive(self, track: FaceTrack) -> bytes:
        """What `encode_crops` makes of a track, to be asked for once: it is not kept."""
        for piece in track.pieces:
            if id(piece) not in self._encoded:
                self.add(piece)
        parts = [part for piece in track.pieces for part in self._encoded.pop(id(piece))[1]]
        return _archive(track.frames, [png for part in parts for png in part.result()])

    def close(self) -> None:
        """Leave undone what is not done yet."""
        self._threads.shutdown(cancel_futures=True)


def _stand_back() -> None:
    """Let the thread work where the rest of the video leaves it time, which others wait for."""
    if sys.platform == "linux":  # elsewhere, priorities are those of whole processes
        own = threading.get_native_id()
        lower = os.getpriority(os.PRIO_PROCESS, own) + _STANDING_BACK
        # Nothing depends on it, and a system call filter around the worker may refuse it.
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, own, lower)


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
    return _archive(frames, work_in_parts(_encode_part, crops))


def _archive(frames: Sequence[FaceFrame], pngs: Sequence[bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for frame, png in zip(frames, pngs, strict=True):
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
    seen = [pair for piece in track.pieces for pair in zip(piece.frames, piece.crops, strict=True)]
    spread = np.linspace(0, len(seen) - 1, min(len(seen), _THUMBNAIL_CANDIDATES)).round()
    _, best = max((seen[index] for index in spread.astype(int)), key=lambda pair: _quality(*pair))
    picture = cv2.cvtColor(best, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg.tobytes()


def _quality(frame: FaceFrame, crop: NDArray[np.uint8]) -> float:
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_16S)
    variance = cv2.norm(edges, cv2.NORM_L2SQR) / edges.size - cv2.mean(edges)[0] ** 2
    return math.sqrt(max(0.0, variance)) * frame.box.width * _frontality(frame)


def _frontality(frame: FaceFrame) -> float:
    """1 where the nose lies midway between the eyes, towards 0 as the head turns aside."""
    if frame.landmarks is None:
        return 1.0
    points = np.array(frame.landmarks)
    left, right, nose = points[:2].mean(axis=0), points[2:4].mean(axis=0), points[4]
    axis = right - left
    along = float((nose - left) @ axis / (axis @ axis))
    return max(0.05, 1 - 2 * abs(along - 0.5))
