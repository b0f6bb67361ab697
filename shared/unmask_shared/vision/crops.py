"""Face crops as stored: a ZIP of PNG files, lossless and the same bytes for the same crops.

Needs neither the video decoder nor the detectors: inference reads the crops without them.
"""

import io
import math
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import FaceFrame
from unmask_shared.errors import DamagedCrops
from unmask_shared.vision.face_track import FaceTrack, check_crops

# The earliest time that ZIP can express: the bytes must not depend on the clock.
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
# Far above what the pipeline writes; a guard against archives that blow up.
_MAX_CROPS: Final = 65_536
_MAX_PNG_BYTES: Final = 1 << 20
# On face crops a seventh faster to encode than OpenCV's own choice, and no slower to decode, for as
# many bytes: noise leaves nothing that a search for repetitions would find. The level comes first,
# for it sets the strategy back.
_PNG_PARAMETERS: Final = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)
_JPEG_QUALITY: Final = 90
_MAX_THREADS: Final = 4


def encode_crops(frames: Sequence[FaceFrame], crops: NDArray[np.uint8]) -> bytes:
    """Pack crops into an archive with one `{frame:06d}.png` each, in order.

    Args:
        frames: Where the crops are from.
        crops: `(N, S, S, 3)` uint8 RGB, one per frame.

    Raises:
        ValueError: The crops do not fit the frames.
    """
    check_crops(crops, count=len(frames))
    buffer = io.BytesIO()
    with (
        ThreadPoolExecutor(_threads(), thread_name_prefix="png") as threads,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive,
    ):
        for frame, png in zip(frames, threads.map(encode_picture, crops), strict=True):
            member = zipfile.ZipInfo(f"{frame.frame:06d}.png", date_time=_FIXED_TIME)
            archive.writestr(member, png)
    return buffer.getvalue()


def encode_picture(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture as PNG.

    Args:
        picture: `(H, W, 3)` uint8 RGB.
    """
    _, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _PNG_PARAMETERS)
    return png.tobytes()


def _threads() -> int:
    # Those that this process may use, not those that the machine has.
    return min(_MAX_THREADS, len(os.sched_getaffinity(0)))


def decode_crops(data: bytes) -> NDArray[np.uint8]:
    """Unpack what `encode_crops` made.

    Returns:
        `(N, S, S, 3)` uint8 RGB, in the order of the archive.

    Raises:
        DamagedCrops: The archive or one of its pictures is damaged, or the sizes differ.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if not 0 < len(members) <= _MAX_CROPS:
                raise DamagedCrops(f"The archive of crops holds {len(members)} files.")
            crops = [_decode_png(member.filename, _read(archive, member)) for member in members]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise DamagedCrops(f"The archive of crops cannot be read: {error}.") from error
    shapes = {crop.shape for crop in crops}
    if len(shapes) != 1:
        raise DamagedCrops(f"The crops have different sizes: {sorted(shapes)}.")
    return np.stack(crops)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > _MAX_PNG_BYTES:
        raise DamagedCrops(f"{member.filename} has {member.file_size} bytes.")
    return archive.read(member)


def _decode_png(name: str, png: bytes) -> NDArray[np.uint8]:
    pixels = None
    if png.startswith(_PNG_MAGIC):
        pixels = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
    if pixels is None or pixels.shape[0] != pixels.shape[1]:
        raise DamagedCrops(f"{name} is not a square PNG picture.")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def thumbnail_jpeg(track: FaceTrack) -> bytes:
    """Encode the crop that shows a face best: sharp, frontal and large in the video.

    Of whole frames it is the sharpest one.

    Returns:
        A JPEG file.
    """
    best = max(range(len(track.frames)), key=lambda index: _quality(track, index))
    picture = cv2.cvtColor(track.crops[best], cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg.tobytes()


def _quality(track: FaceTrack, index: int) -> float:
    grey = cv2.cvtColor(track.crops[index], cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    frame = track.frames[index]
    return math.sqrt(sharpness) * frame.box.width * _frontality(frame)


def _frontality(frame: FaceFrame) -> float:
    """1 where the nose lies midway between the eyes, towards 0 as the head turns aside."""
    if frame.landmarks is None:
        return 1.0
    points = np.array(frame.landmarks)
    left, right, nose = points[:2].mean(axis=0), points[2:4].mean(axis=0), points[4]
    axis = right - left
    along = float((nose - left) @ axis / (axis @ axis))
    return max(0.05, 1 - 2 * abs(along - 0.5))
