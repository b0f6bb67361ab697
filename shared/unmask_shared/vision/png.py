"""PNG (W3C Recommendation, third edition) in one form, which is written and read quickly.

OpenCV's own encoder and decoder take two to three times as long: here deflate is ISA-L's, and each
row is stored as the difference to the one above it, which suits faces as well as any other filter
and is undone for many pictures at once.
"""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = struct.Struct(">IIBBBBB")
_WORD: Final = struct.Struct(">I")
_WORD_BYTES: Final = 4
_BITS: Final = 8
_RGB: Final = 2
_FILTER_UP: Final = 2
_LEVEL: Final = 1
# Magic, the header's chunk, and the length and kind of the only one with pixels.
_PREFIX_BYTES: Final = len(_MAGIC) + 3 * _WORD_BYTES + _HEADER.size + 2 * _WORD_BYTES


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture.

    Args:
        picture: `(H, W, 3)` uint8 RGB.
    """
    height, width, channels = picture.shape
    samples = picture.reshape(height, width * channels)
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = _FILTER_UP
    rows[0, 1:] = samples[0]
    np.subtract(samples[1:], samples[:-1], out=rows[1:, 1:])
    return b"".join(
        [
            _MAGIC,
            *_chunk(b"IHDR", _header(width, height)),
            *_chunk(b"IDAT", isal_zlib.compress(rows, _LEVEL)),
            *_chunk(b"IEND", b""),
        ]
    )


def decode_own_pngs(files: Sequence[bytes], *, width: int, height: int) -> NDArray[np.uint8] | None:
    """Decode pictures that `encode_png` made.

    Args:
        files: Any bytes.
        width: That all of them should have, in pixels; bounds the memory.
        height: The same.

    Returns:
        `(N, height, width, 3)` uint8 RGB, or None if one of them is damaged, or has another size or
        form of PNG: only a decoder of all PNG can tell which.
    """
    rows = np.empty((len(files), height, 1 + 3 * width), np.uint8)
    for own, file in zip(rows, files, strict=True):
        unpacked = _unpack(file, _header(width, height), own.size)
        if unpacked is None:
            return None
        own[:] = np.frombuffer(unpacked, np.uint8).reshape(own.shape)
    if (rows[:, :, 0] != _FILTER_UP).any():
        return None
    pictures = np.empty((len(files), height, 3 * width), np.uint8)
    pictures[:, 0] = rows[:, 0, 1:]
    for row in range(1, height):
        np.add(pictures[:, row - 1], rows[:, row, 1:], out=pictures[:, row])
    return pictures.reshape(len(files), height, width, 3)


def size_of_png(file: bytes) -> tuple[int, int] | None:
    """Width and height by the header; None if there is no such header."""
    start = len(_MAGIC) + 2 * _WORD_BYTES
    if len(file) < _PREFIX_BYTES or not file.startswith(_MAGIC):
        return None
    width, height, *_ = _HEADER.unpack_from(file, start)
    return width, height


def _header(width: int, height: int) -> bytes:
    return _HEADER.pack(width, height, _BITS, _RGB, 0, 0, 0)


def _unpack(file: bytes, header: bytes, expected_bytes: int) -> bytes | None:
    """The rows of a file with this header and one chunk of pixels, if its checksum is right."""
    before = _MAGIC + b"".join(_chunk(b"IHDR", header))
    after = b"".join(_chunk(b"IEND", b""))
    start, stop = _PREFIX_BYTES, len(file) - len(after) - _WORD_BYTES
    if stop < start or not (file.startswith(before) and file.endswith(after)):
        return None
    data = file[start:stop]
    if file[len(before) : -len(after)] != b"".join(_chunk(b"IDAT", data)):
        return None
    stream = isal_zlib.decompressobj()
    try:
        rows: bytes = stream.decompress(data, expected_bytes)
    except isal_zlib.error:  # type: ignore[misc] # a class, which its types declare as a value
        return None
    return rows if len(rows) == expected_bytes else None


def _chunk(kind: bytes, data: bytes) -> tuple[bytes, ...]:
    check = isal_zlib.crc32(data, isal_zlib.crc32(kind))
    return _WORD.pack(len(data)), kind, data, _WORD.pack(check)
