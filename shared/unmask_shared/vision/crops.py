"""Reads stored face crops: a ZIP of PNG files, lossless, as `encoding` writes them.

Needs neither the video decoder nor the detectors, so that inference can do without them.
"""

import io
import struct
import zipfile
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.errors import DamagedCrops
from unmask_shared.vision.parts import work_in_parts
from unmask_shared.vision.png import decode_own_pngs, size_of_png

# Far above what the pipeline writes; a guard against archives that blow up.
_MAX_CROPS: Final = 65_536
_MAX_PNG_BYTES: Final = 1 << 20
_ENCRYPTED: Final = 0x1
# The largest side that the pipeline cuts: its header must not decide how much memory is taken.
_LARGEST_OWN: Final = 256
# No network takes larger ones.
_LARGEST: Final = 512
# What all crops of a face may take in memory: 6000 frames with sides of 488 pixels.
_MAX_PIXEL_BYTES: Final = 4 << 30


def decode_crops(data: bytes) -> NDArray[np.uint8]:
    """Unpack what `encoding.encode_crops` made.

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
            _check_members(members, archive_bytes=len(data))
            pictures = [(member.filename, archive.read(member)) for member in members]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, struct.error) as error:
        raise DamagedCrops(f"The archive of crops cannot be read: {error}.") from error
    _check_sizes(pictures)
    crops = work_in_parts(_decode_part, pictures)
    shapes = {crop.shape for crop in crops}
    if len(shapes) != 1:
        raise DamagedCrops(f"The crops have different sizes: {sorted(shapes)}.")
    return np.stack(crops)


def _check_members(members: Sequence[zipfile.ZipInfo], *, archive_bytes: int) -> None:
    """Refuse what can be larger than the archive itself: ours are stored as they are."""
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _ENCRYPTED:
            raise DamagedCrops(f"{member.filename!r} is compressed or encrypted.")
        if member.file_size > _MAX_PNG_BYTES:
            raise DamagedCrops(f"{member.filename!r} has {member.file_size} bytes.")
    total = sum(member.file_size for member in members)
    if total > archive_bytes:
        raise DamagedCrops(f"The archive of {archive_bytes} bytes claims to hold {total}.")


def _check_sizes(pictures: Sequence[tuple[str, bytes]]) -> None:
    """Refuse pictures by their headers, before any of them is unpacked."""
    pixel_bytes = 0
    for name, png in pictures:
        size = size_of_png(png)
        if size is None or size[0] != size[1] or not 0 < size[0] <= _LARGEST:
            raise DamagedCrops(f"{name!r} is not a square PNG picture of up to {_LARGEST} pixels.")
        pixel_bytes += 3 * size[0] * size[1]
    if pixel_bytes > _MAX_PIXEL_BYTES:
        raise DamagedCrops(f"The crops would take {pixel_bytes} bytes of memory.")


def _decode_part(pictures: Sequence[tuple[str, bytes]]) -> list[NDArray[np.uint8]]:
    size = size_of_png(pictures[0][1])
    if size is not None and size[0] <= _LARGEST_OWN:
        crops = decode_own_pngs([png for _, png in pictures], width=size[0], height=size[1])
        if crops is not None:
            return list(crops)
    # Written by something else, or damaged, which OpenCV finds out.
    return [_decode_png(name, png) for name, png in pictures]


def _decode_png(name: str, png: bytes) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None or pixels.shape[0] != pixels.shape[1]:
        raise DamagedCrops(f"{name!r} is not a square PNG picture.")
    return pixels.astype(np.uint8, copy=False)
