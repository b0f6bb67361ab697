"""Still pictures as files: what they claim to be, and their pixels.

JPEG, PNG and WebP. The size is read from the header first, so that a small file cannot ask for more
memory than there is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.errors import UnreadableVideo, VideoTooDemanding

PictureFormat = Literal["jpeg", "png", "webp"]

PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})

_JPEG_START: Final = b"\xff\xd8\xff"
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_END: Final = b"\xff\xd9"
_PNG_END: Final = b"IEND"
# Markers of a frame header (ITU T.81, table B.1): C0 to CF, but for those of tables and of coding.
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, kw_only=True)
class PictureHeader:
    """What a file says of itself; width and height are in pixels, before any turn."""

    format: PictureFormat
    width: int
    height: int


def is_picture_name(path: Path) -> bool:
    """Whether a file is called a picture; its content is not looked at."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def read_header(data: bytes) -> PictureHeader:
    """Tell the format and size of a picture.

    Args:
        data: The whole file.

    Raises:
        UnreadableVideo: It is none of the formats, or the header is damaged.
    """
    try:
        if data.startswith(_JPEG_START):
            width, height = _jpeg_size(data)
            return PictureHeader(format="jpeg", width=width, height=height)
        if data.startswith(_PNG_START):
            width, height = (_number(data, at, 4, "big") for at in (16, 20))
            return PictureHeader(format="png", width=width, height=height)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            width, height = _webp_size(data)
            return PictureHeader(format="webp", width=width, height=height)
    except EOFError as error:
        raise UnreadableVideo("The picture ends within its header.") from error
    raise UnreadableVideo("The file is no JPEG, PNG or WebP picture.")


def decode_picture(data: bytes, *, max_pixels: int) -> NDArray[np.uint8]:
    """The pixels of a picture file, turned upright where its Exif data say how.

    Args:
        data: The whole file.
        max_pixels: Larger pictures are refused before they are decoded.

    Returns:
        `(H, W, 3)` uint8 RGB, contiguous.

    Raises:
        UnreadableVideo: The file is no picture, or damaged.
        VideoTooDemanding: It has more pixels.
    """
    header = read_header(data)
    if header.width * header.height > max_pixels:
        raise VideoTooDemanding(
            f"The picture has {header.width}x{header.height} pixels, more than {max_pixels}."
        )
    if not _has_end(data, header.format):
        raise UnreadableVideo(f"The {header.format} picture is cut off.")
    pixels = None
    if header.width and header.height:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise UnreadableVideo(f"The {header.format} picture cannot be decoded.")
    return np.ascontiguousarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def _has_end(data: bytes, kind: PictureFormat) -> bool:
    """Whether the end is there; decoders fill up what is missing with grey."""
    match kind:
        case "jpeg":
            # Previews in the header have ends of their own.
            return data.rfind(_JPEG_END) > _jpeg_frame(data)
        case "png":
            return data.rfind(_PNG_END) > 0
        case "webp":
            return len(data) >= 8 + _number(data, 4, 4, "little")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = _jpeg_frame(data)
    return _number(data, at + 7, 2, "big"), _number(data, at + 5, 2, "big")


def _jpeg_frame(data: bytes) -> int:
    """Where the frame header is."""
    at = 2
    while True:
        while _number(data, at + 1, 1, "big") == 0xFF:  # markers may be filled up
            at += 1
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            return at
        at += 2
        if marker not in _JPEG_WITHOUT_LENGTH:
            at += max(2, _number(data, at, 2, "big"))


def _webp_size(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8X":
            return _number(data, 24, 3, "little") + 1, _number(data, 27, 3, "little") + 1
        case b"VP8L":
            bits = _number(data, 21, 4, "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            mask = 0x3FFF
            return _number(data, 26, 2, "little") & mask, _number(data, 28, 2, "little") & mask
    raise EOFError


def _number(data: bytes, at: int, count: int, order: Literal["big", "little"]) -> int:
    part = data[at : at + count]
    if len(part) < count:
        raise EOFError
    return int.from_bytes(part, order)
