"""The boxes of all frames, also of those that were not searched, against where the faces are.

Two people move through each video; the places of their pupils are known in every frame.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_factory import Head, admiral, astronaut, film, write_video

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.pipeline import VisionSettings, extract_faces

FRAMES = 48
WIDTH, HEIGHT = 640, 400

# The square from the brows to the chin on the still portraits: how far its centre lies to the right
# of and below the point between the pupils, and its side, all in distances of the pupils. Halfway
# between dlib's detector and libfacedetection, which draws it a little smaller; medians over 40
# sizes, read once.
SQUARES = {"astronaut": (0.0, 0.58, 2.23), "admiral": (-0.02, 0.64, 2.47)}

Motion = Callable[[int], Head]


def _walks(number: int) -> Head:
    return Head(portrait=astronaut(), center=(90 + 2.4 * number, 170), eye_distance=38)


def _nods(number: int) -> Head:
    swing = 16 * np.sin(number / 2.2)
    return Head(portrait=admiral(), center=(470, 170 + swing), eye_distance=46)


def _turns(number: int) -> Head:
    tilt = 20 * np.sin(number / 6)
    return Head(portrait=astronaut(), center=(160, 180), eye_distance=46, tilt_degrees=tilt)


def _comes_nearer(number: int) -> Head:
    return Head(portrait=admiral(), center=(460, 190), eye_distance=26 * 1.012**number)


def _dances(number: int) -> Head:
    return Head(
        portrait=astronaut(),
        center=(110 + 1.5 * number, 180 + 12 * np.sin(number / 2.5)),
        eye_distance=44 + 10 * np.sin(number / 14),
        tilt_degrees=15 * np.sin(number / 7),
    )


def _sways(number: int) -> Head:
    swing = np.sin(number / 3)
    return Head(
        portrait=admiral(),
        center=(470 + 20 * swing, 180),
        eye_distance=44,
        tilt_degrees=12 * swing,
    )


def _square(name: str, head: Head) -> BoundingBox:
    left, right = head.pupils
    along = right - left
    across = np.array([-along[1], along[0]])
    aside, below, side = SQUARES[name]
    x, y = (left + right) / 2 + aside * along + below * across
    side *= head.eye_distance
    return BoundingBox(x=x - side / 2, y=y - side / 2, width=side, height=side)


@pytest.mark.parametrize(
    ("left", "right"),
    [(_walks, _nods), (_turns, _comes_nearer), (_dances, _sways)],
    ids=["walks and nods", "turns and comes nearer", "dances and sways"],
)
def test_boxes_stay_on_faces_that_move_nod_turn_and_grow(
    tmp_path: Path, left: Motion, right: Motion
) -> None:
    frames = film(FRAMES, lambda number: [left(number), right(number)], width=WIDTH, height=HEIGHT)
    faces = extract_faces(write_video(tmp_path / "clip.mp4", frames), VisionSettings())
    tracks = sorted(faces.tracks, key=lambda track: track.frames[0].box.x)
    assert len(tracks) == 2
    for track, name, motion in zip(tracks, SQUARES, (left, right), strict=True):
        assert [frame.frame for frame in track.frames] == list(range(FRAMES))
        overlaps = np.array(
            [frame.box.iou(_square(name, motion(frame.frame))) for frame in track.frames]
        )
        found = np.array([frame.detected for frame in track.frames])
        assert 0.2 < found.mean() < 0.3
        assert overlaps.min() >= 0.7
        assert np.median(overlaps) >= 0.8
        # Frames between two lookups are as good as those that were looked at.
        assert np.median(overlaps[~found]) >= np.median(overlaps[found]) - 0.03
