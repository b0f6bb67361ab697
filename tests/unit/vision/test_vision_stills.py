"""Faces of still pictures: the same crops as those of videos, whatever the picture is cut to."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_factory import Head, admiral, astronaut, scenery, show, write_video

from unmask_shared.vision.align import template
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_shared.vision.stills import extract_still, frame_of

SETTINGS = VisionSettings(crop_size=112, crop_margin=0.15)


def png(pixels: np.ndarray) -> bytes:
    _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def before_scenery(*heads: Head, width: int = 320, height: int = 240) -> np.ndarray:
    return show(scenery(width, height), *heads)


PICTURE = before_scenery(Head(portrait=astronaut(), center=(150, 110), eye_distance=36))


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(int) - second).mean())


def test_a_still_is_cropped_as_a_video_of_it_is(tmp_path: Path) -> None:
    video = write_video(tmp_path / "still.mp4", [PICTURE] * 2, options={"crf": "4"})
    (expected,) = extract_faces(video, SETTINGS).tracks

    found = extract_still(png(PICTURE), SETTINGS)

    (track,) = found.tracks
    assert track.crops.shape == (1, 112, 112, 3)
    assert difference(track.crops[0], expected.crops[0]) < 3
    assert np.allclose(track.frames[0].landmarks, expected.frames[0].landmarks, atol=1.0)
    assert track.frames[0].box.iou(expected.frames[0].box) > 0.9
    assert (found.video.frames, found.video.width, found.video.height) == (1, 320, 240)


@pytest.mark.parametrize("height", [240, 900])
def test_colours_and_details_of_a_still_are_kept(height: int) -> None:
    pixels = np.ascontiguousarray(cv2.resize(PICTURE, (height, height)))
    assert np.abs(frame_of(pixels).picture.rgb().astype(int) - pixels).max() <= 2


@pytest.mark.parametrize("portrait", [astronaut(), admiral()], ids=["astronaut", "admiral"])
def test_a_face_that_fills_the_picture_is_found_at_its_place(portrait) -> None:
    """As in data sets of faces that are cut from the brows to the chin."""
    wide = show(scenery(600, 600), Head(portrait=portrait, center=(300, 280), eye_distance=100))
    (expected,) = extract_still(png(wide), SETTINGS).tracks
    tight = np.ascontiguousarray(wide[210:430, 190:410])

    (found,) = extract_still(png(tight), SETTINGS).tracks

    assert difference(found.crops[0, 30:80, 30:80], expected.crops[0, 30:80, 30:80]) < 12
    shifted = np.array(found.frames[0].landmarks) + np.array([190, 210])
    assert np.abs(shifted - expected.frames[0].landmarks).max() < 8


def test_beyond_the_edge_a_crop_shows_the_mirror_image_and_no_black() -> None:
    """A face at the edge, whose square from hairline to chin ends outside."""
    width = 80
    pixels = before_scenery(
        Head(portrait=astronaut(), center=(40, 110), eye_distance=36), width=width
    )

    (track,) = extract_still(png(pixels), SETTINGS).tracks

    left, right = np.array(track.frames[0].landmarks)[[0, 3], 0]
    to_crop = np.ptp(template(112, SETTINGS.crop_margin)[:4, 0]) / (right - left)
    assert 56 + to_crop * (width - (left + right) / 2) < 105  # the picture ends within the crop
    assert track.crops[0, :, -5:].mean() > 60


def test_a_picture_without_a_face_has_no_track() -> None:
    found = extract_still(png(scenery(320, 240)), SETTINGS)
    assert found.tracks == ()
    assert found.faceless_frames == (0,)


def test_the_largest_face_comes_first() -> None:
    small = Head(portrait=astronaut(), center=(90, 110), eye_distance=28)
    large = Head(portrait=admiral(), center=(230, 110), eye_distance=42)

    first, second = extract_still(png(before_scenery(small, large)), SETTINGS).tracks

    assert abs(first.frames[0].box.center[0] - 230) < 20
    assert abs(second.frames[0].box.center[0] - 90) < 20


def test_large_photographs_are_shrunk_and_keep_their_face() -> None:
    pixels = cv2.resize(PICTURE, (3200, 2400), interpolation=cv2.INTER_CUBIC)
    found = extract_still(png(pixels), SETTINGS)
    assert (found.video.width, found.video.height) == (1920, 1440)
    (small,), (track,) = extract_still(png(PICTURE), SETTINGS).tracks, found.tracks
    assert difference(track.crops, small.crops) < 6


def test_whole_pictures_can_take_the_place_of_faces() -> None:
    settings = replace(SETTINGS, face_mode="full_frame", keep_faceless_frames=True)
    (track,) = extract_still(png(PICTURE), settings).tracks
    assert difference(track.crops[0], cv2.resize(PICTURE, (112, 112))) < 8
