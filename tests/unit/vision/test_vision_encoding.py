"""What is stored can be read by others, is the same each time, and shows faces well."""

import io
import os
import sys
import threading
import zipfile

import cv2
import numpy as np
import pytest
from media_factory import Head, astronaut, scenery, show
from numpy.typing import NDArray
from PIL import Image

from unmask_shared.artifacts import BoundingBox, FaceFrame, Point
from unmask_shared.vision.encoding import CropEncoder, encode_crops, thumbnail_jpeg
from unmask_shared.vision.face_track import FacePiece, FaceTrack
from unmask_shared.vision.png import encode_png

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


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (7, 1, 3), (48, 112, 3)])
@pytest.mark.parametrize("content", ["noise", "one colour"])
def test_pictures_of_all_shapes_come_back_from_other_readers(
    shape: tuple[int, int, int], content: str
) -> None:
    picture = np.full(shape, (250, 3, 128), np.uint8)
    if content == "noise":
        picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    png = encode_png(picture)
    with Image.open(io.BytesIO(png)) as read:
        assert (read.format, read.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(read), picture)
    by_opencv = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert by_opencv is not None
    assert np.array_equal(by_opencv[..., ::-1], picture)


def test_faces_take_less_room_than_their_pixels() -> None:
    face = _face(0)
    assert len(encode_png(face)) < 0.75 * face.nbytes


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


def test_crops_that_are_encoded_as_they_come_make_the_same_archive() -> None:
    crops = _noise(60, size=32)
    frames = [_frame(number) for number in range(60)]
    pieces = [
        FacePiece(frames=tuple(frames[start:stop]), crops=crops[start:stop])
        for start, stop in ((0, 40), (40, 41), (41, 60))
    ]
    with CropEncoder() as encoder:
        for piece in pieces[1:]:  # what was not announced is encoded, too
            encoder.add(piece)
        archive = encoder.archive(_track(*pieces))
    assert archive == encode_crops(frames, crops)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priorities")
def test_encoding_stands_back_and_the_rest_of_the_process_does_not() -> None:
    with CropEncoder() as encoder:
        encoder.archive(_track(FacePiece(frames=(_frame(0),), crops=_noise(1))))
        (encoding,) = (
            os.getpriority(os.PRIO_PROCESS, thread.native_id or 0)
            for thread in threading.enumerate()
            if thread.name.startswith("pictures")
        )
        assert encoding > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def _track(*pieces: FacePiece) -> FaceTrack:
    return FaceTrack(track_id=0, pieces=pieces)


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
    track = _track(FacePiece(frames=(frame, _frame(1)), crops=np.stack([other, marked])))
    thumbnail = cv2.imdecode(np.frombuffer(thumbnail_jpeg(track), np.uint8), cv2.IMREAD_COLOR)
    assert thumbnail is not None
    assert thumbnail.shape == (112, 112, 3)
    blue, _, red = thumbnail[2, 2]
    assert red > 200 > blue


def test_of_a_long_track_some_moments_are_looked_at_up_to_the_last() -> None:
    crops = np.repeat(_face(3.0)[None], 300, axis=0)
    crops[-1] = _face(0)
    crops[-1, :8, :8] = (255, 0, 0)
    frames = [_frame(number) for number in range(300)]
    track = _track(
        FacePiece(frames=tuple(frames[:100]), crops=crops[:100]),
        FacePiece(frames=tuple(frames[100:]), crops=crops[100:]),
    )
    thumbnail = cv2.imdecode(np.frombuffer(thumbnail_jpeg(track), np.uint8), cv2.IMREAD_COLOR)
    assert thumbnail is not None
    assert thumbnail[2, 2, 2] > 200
