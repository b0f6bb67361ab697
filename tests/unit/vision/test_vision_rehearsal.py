"""After a rehearsal all is in memory: a process that may open no file can do the whole work."""

import subprocess
import sys
from pathlib import Path

import pytest
from media_factory import Head, admiral, astronaut, scenery, show, write_video

# Extracts faces from an open file, and fails where anything is imported or opened meanwhile.
SCRIPT = """
import sys
import dataclasses

import av
import cv2

from unmask_shared.vision.faces import make_detector
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_shared.vision.rehearsal import rehearse
from unmask_shared.vision.sandboxed import load
from unmask_shared.vision.transfer import pack_settings

settings = VisionSettings(landmark_overlays=sys.argv[2] == "overlays", detector=sys.argv[3])
if sys.argv[4] == "rehearsed":
    load(pack_settings(settings).decode())
file = open(sys.argv[1], "rb", buffering=0)
watching = True

def watch(event, arguments):
    if watching and event in {"import", "open"}:
        raise PermissionError(f"{event} of {arguments[0]}")

sys.addaudithook(watch)
found = []
for mode in ("faces", "full_frame"):
    file.seek(0)
    tracks = extract_faces(file, dataclasses.replace(settings, face_mode=mode)).tracks
    found.append(len(tracks))
watching = False
print(found)
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two persons and a cut, so that identities have to tell who is who."""
    frames = []
    for number in range(32):
        portrait = astronaut() if number < 16 else admiral()
        place = scenery(320, 240, seed=number // 16, brightness=90 + 90 * (number // 16))
        frames.append(show(place, Head(portrait=portrait, center=(160, 110), eye_distance=40)))
    return write_video(tmp_path_factory.mktemp("rehearsal") / "clip.mp4", frames)


def _run(clip: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(clip), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("overlays", "detector"),
    [("", "libfacedetection"), ("overlays", "libfacedetection"), ("", "dlib-hog")],
)
def test_nothing_is_opened_or_imported_after_a_rehearsal(
    clip: Path, overlays: str, detector: str
) -> None:
    done = _run(clip, overlays, detector, "rehearsed")
    assert done.stdout == "[2, 1]\n", done.stderr


def test_without_a_rehearsal_something_would_be_missing(clip: Path) -> None:
    done = _run(clip, "", "libfacedetection", "unprepared")
    assert done.returncode != 0
    assert "PermissionError" in done.stderr
