import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from unmask_shared.vision.png import decode_own_pngs, encode_png, size_of_png

SIDE = 16
PICTURE = np.random.default_rng(7).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
FILE = encode_png(PICTURE)
HEADER_END = 8 + 25


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)).flatmap(
        lambda shape: arrays(np.uint8, (*shape, 3))
    )
)
def test_pictures_come_back_as_they_were_here_and_from_other_readers(
    pictures: NDArray[np.uint8],
) -> None:
    files = [encode_png(picture) for picture in pictures]
    _, height, width, _ = pictures.shape
    assert all(size_of_png(file) == (width, height) for file in files)
    own = decode_own_pngs(files, width=width, height=height)
    assert own is not None
    np.testing.assert_array_equal(own, pictures)
    for file, picture in zip(files, pictures, strict=True):
        read = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_array_equal(read, picture)


def with_pixels(rows: bytes) -> bytes:
    """The same file with other rows, its checksums right."""
    data = zlib.compress(rows)
    body = b"IDAT" + data
    chunk = struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    return FILE[:HEADER_END] + chunk + FILE[-12:]


@pytest.mark.parametrize("position", range(0, len(FILE), 5))
def test_no_changed_byte_goes_unnoticed(position: int) -> None:
    damaged = bytearray(FILE)
    damaged[position] ^= 0x10
    assert decode_own_pngs([FILE, bytes(damaged)], width=SIDE, height=SIDE) is None


@pytest.mark.parametrize("length", range(0, len(FILE), 7))
def test_cut_files_are_not_decoded(length: int) -> None:
    assert decode_own_pngs([FILE[:length]], width=SIDE, height=SIDE) is None


def opencv_form(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda: encode_png(PICTURE[:, :-1]),
        lambda: encode_png(PICTURE[:-1]),
        lambda: opencv_form(PICTURE),
        lambda: with_pixels(b"\0" * (SIDE * (1 + 3 * SIDE))),
        lambda: with_pixels(b"\2" * 10),
        lambda: b"",
        lambda: b"GIF89a" + FILE,
    ],
    ids=["narrower", "lower", "other writer", "other filter", "too few", "empty", "other magic"],
)
def test_other_forms_and_sizes_are_left_to_a_general_decoder(make: Callable[[], bytes]) -> None:
    assert decode_own_pngs([make()], width=SIDE, height=SIDE) is None


def test_pixels_beyond_the_size_that_was_asked_for_are_never_unpacked() -> None:
    bomb = with_pixels(b"\2" + b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    # Its first byte is not that of every row.
    assert decode_own_pngs([bomb], width=SIDE, height=SIDE) is None
