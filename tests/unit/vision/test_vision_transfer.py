from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, Coverage, FaceFrame, VideoInfo
from unmask_shared.vision.face_track import FaceTrack
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.transfer import (
    pack_faces,
    pack_settings,
    unpack_faces,
    unpack_settings,
)

SETTINGS = VisionSettings(crop_size=32, landmark_overlays=True)


def _noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(len(shape)).integers(0, 255, shape, dtype=np.uint8)


def _track(track_id: int, numbers: range, *, overlay: bool) -> FaceTrack:
    point = (1.5, 2.25)
    return FaceTrack(
        track_id=track_id,
        frames=tuple(
            FaceFrame(
                frame=number,
                time_s=number / 25,
                clip=0,
                box=BoundingBox(x=1, y=2, width=30, height=30),
                landmarks=None if track_id else (point, point, point, point, point),
                detected=bool(number % 2),
            )
            for number in numbers
        ),
        crops=_noise(len(numbers), 32, 32, 3),
        overlay=_noise(40, 40, 3) if overlay else None,
    )


FACES = FaceTracks(
    video=VideoInfo(duration_s=1, fps=25, width=64, height=48, frames=25, codec="h264"),
    coverage=Coverage(
        policy="clips", clips=2, frames=25, missing_frames=0, sampled_s=1, longest_gap_s=0
    ),
    frame_step=1,
    faceless_frames=(20, 24),
    settings=SETTINGS,
    tracks=(_track(0, range(5), overlay=True), _track(1, range(3, 9), overlay=False)),
)
DATA = b"".join(pack_faces(FACES))


def test_faces_come_back_as_they_were() -> None:
    found = unpack_faces(DATA, SETTINGS)
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
        "huge header",
        "impossible value",
        "missing pixels",
        "not ascending",
        "unknown field",
    ],
)
def test_what_makes_no_sense_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|missing|follow|ascending"):
        unpack_faces(damaged, SETTINGS)
