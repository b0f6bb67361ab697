from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from media_factory import Head, astronaut, film, quadrants, write_video

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings, extract_faces

SETTINGS = VisionSettings(face_mode="full_frame")
# Lookups are at 0, 5, 10, 15: the face is seen until 5, and so is everything between.
LEAVES = 8
WITH_FACE = list(range(6))
FACELESS = list(range(6, 16))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that leaves in the middle of a clip."""

    def heads(number: int) -> list[Head]:
        return [Head(portrait=astronaut(), center=(160, 110))] if number < LEAVES else []

    return write_video(tmp_path_factory.mktemp("whole") / "clip.mp4", film(16, heads))


def _numbers(faces: FaceTracks) -> list[int]:
    return [frame.frame for track in faces.tracks for frame in track.frames]


def test_pictures_without_a_face_are_left_out_unless_they_are_to_be_kept(clip: Path) -> None:
    without = extract_faces(clip, SETTINGS)
    assert _numbers(without) == WITH_FACE
    assert all(frame.detected for frame in without.tracks[0].frames)
    kept = extract_faces(clip, replace(SETTINGS, keep_faceless_frames=True))
    assert _numbers(kept) == WITH_FACE + FACELESS
    marked = [frame.frame for frame in kept.tracks[0].frames if not frame.detected]
    assert marked == FACELESS
    assert without.faceless_frames == kept.faceless_frames == tuple(FACELESS)


def test_the_one_track_shows_whole_pictures_without_landmarks(clip: Path) -> None:
    faces = extract_faces(clip, replace(SETTINGS, crop_size=64, landmark_overlays=True))
    (track,) = faces.tracks
    assert track.crops.shape == (len(WITH_FACE), 64, 64, 3)
    assert {frame.box for frame in track.frames} == {BoundingBox(x=0, y=0, width=320, height=240)}
    assert {frame.landmarks for frame in track.frames} == {None}
    assert track.overlay is None


def test_pictures_are_squeezed_to_squares_with_all_four_corners(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", [quadrants(192, 64)] * 4, pix_fmt="yuv444p")
    settings = replace(SETTINGS, keep_faceless_frames=True, crop_size=48)
    (track,) = extract_faces(path, settings).tracks
    corners = track.crops[0][[6, 6, -7, -7], [6, -7, 6, -7]].astype(int)
    expected = np.array([(220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 220)])
    assert np.abs(corners - expected).max() < 12


def test_without_any_picture_there_is_no_track(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", film(6, lambda _number: []))
    faces = extract_faces(path, SETTINGS)
    assert faces.tracks == ()
    assert faces.faceless_frames == tuple(range(6))
    assert faces.coverage.frames == 6


def test_in_the_mode_for_faces_keeping_faceless_frames_has_no_effect(clip: Path) -> None:
    plain = extract_faces(clip, VisionSettings())
    kept = extract_faces(clip, VisionSettings(keep_faceless_frames=True))
    assert _numbers(kept) == _numbers(plain) == WITH_FACE
    assert kept.faceless_frames == plain.faceless_frames == tuple(FACELESS)
