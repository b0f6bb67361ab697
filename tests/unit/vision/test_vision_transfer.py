from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, Coverage, FaceFrame, VideoInfo
from unmask_shared.vision.face_track import FacePiece, FaceTrack
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.transfer import (
    FacesReader,
    FacesWriter,
    pack_faces,
    pack_settings,
    unpack_faces,
    unpack_settings,
)

SETTINGS = VisionSettings(crop_size=32, landmark_overlays=True)


def _noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(len(shape)).integers(0, 255, shape, dtype=np.uint8)


def _piece(numbers: range, *, landmarks: bool = True) -> FacePiece:
    point = (1.5, 2.25)
    return FacePiece(
        frames=tuple(
            FaceFrame(
                frame=number,
                time_s=number / 25,
                clip=0,
                box=BoundingBox(x=1, y=2, width=30, height=30),
                landmarks=(point, point, point, point, point) if landmarks else None,
                detected=bool(number % 2),
            )
            for number in numbers
        ),
        crops=np.random.default_rng(numbers[0]).integers(
            0, 255, (len(numbers), 32, 32, 3), dtype=np.uint8
        ),
    )


FACES = FaceTracks(
    video=VideoInfo(duration_s=1, fps=25, width=64, height=48, frames=25, codec="h264"),
    coverage=Coverage(
        policy="clips", clips=2, frames=25, missing_frames=0, sampled_s=1, longest_gap_s=0
    ),
    frame_step=1,
    faceless_frames=(20, 24),
    settings=SETTINGS,
    tracks=(
        FaceTrack(
            track_id=0, pieces=(_piece(range(5)), _piece(range(8, 10))), overlay=_noise(40, 40, 3)
        ),
        FaceTrack(track_id=1, pieces=(_piece(range(3, 9), landmarks=False),)),
    ),
)
DATA = b"".join(pack_faces(FACES))


def test_faces_come_back_as_they_were() -> None:
    _assert_same(unpack_faces(DATA, SETTINGS))


def test_pieces_come_before_the_end_and_those_in_no_track_are_left_out() -> None:
    (first, later), (lone,) = (track.pieces for track in FACES.tracks)
    parts: list[bytes | memoryview] = []
    writer = FacesWriter(parts.append)
    for piece in (lone, _piece(range(30, 31)), first, later):
        writer.add(piece)
    reader = FacesReader(SETTINGS)
    pieces = reader.feed(b"".join(parts))
    assert [piece.frames[0].frame for piece in pieces] == [3, 30, 0, 8]
    parts.clear()
    writer.finish(FACES)
    assert reader.feed(b"".join(parts)) == []
    _assert_same(reader.faces())
    assert reader.faces().tracks[0].pieces[0] is pieces[2]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_it_does_not_matter_how_the_bytes_are_cut(size: int) -> None:
    reader = FacesReader(SETTINGS)
    for start in range(0, len(DATA), size):
        reader.feed(DATA[start : start + size])
    _assert_same(reader.faces())


def _assert_same(found: FaceTracks) -> None:
    assert replace(found, tracks=()) == replace(FACES, tracks=())
    for track, expected in zip(found.tracks, FACES.tracks, strict=True):
        assert track.frames == expected.frames
        assert np.array_equal(track.crops, expected.crops)
        assert (track.overlay is None) == (expected.overlay is None)
    assert np.array_equal(found.tracks[0].overlay, FACES.tracks[0].overlay)  # type: ignore[arg-type] # it has one


def test_settings_come_back_as_they_were() -> None:
    assert unpack_settings(pack_settings(SETTINGS)) == SETTINGS


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        DATA[:4],
        DATA[:-1],
        DATA + b"\0",
        (2**63).to_bytes(8, "big") + DATA[8:],
        bytes(8) + DATA,
        DATA.replace(b'"pieces":[2]', b'"pieces":[3]'),
        DATA.replace(b'"pieces":[2]', b'"pieces":[0]'),
        DATA.replace(b'"pieces":[0,1]', b'"pieces":[1,0]'),
        DATA.replace(b'"fps":25.0', b'"fps":-2.0'),
        DATA.replace(b'"overlay_side":40', b'"overlay_side":99'),
        DATA.replace(b'"frame":4,', b'"frame":0,'),
        DATA.replace(b'"frame_step":1', b'"frame_steps":1'),
    ],
    ids=[
        "empty",
        "no header",
        "cut",
        "too long",
        "huge text",
        "pieces for a header",
        "a piece that is not there",
        "a piece of two tracks",
        "pieces out of order",
        "impossible value",
        "missing pixels",
        "not ascending",
        "unknown field",
    ],
)
def test_what_makes_no_sense_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|text|pieces|missing|follow|ascending|not valid"):
        unpack_faces(damaged, SETTINGS)
