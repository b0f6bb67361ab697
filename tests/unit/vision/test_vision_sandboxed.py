from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from media_factory import Head, admiral, astronaut, film, write_sound, write_video

from unmask_shared.errors import NotAVideo, NoVideoStream, VideoTooDemanding
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.face_track import FacePiece
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_shared.vision.sandboxed import SandboxedExtraction

SETTINGS = VisionSettings()


@pytest.fixture(scope="module")
def sandboxed() -> Iterator[SandboxedExtraction]:
    with SandboxedExtraction(SETTINGS, SandboxLimits(wall_s=60)) as extraction:
        yield extraction


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people who change places at a cut, so that identities decide."""

    def heads(number: int) -> list[Head]:
        left, right = (110, 110), (240, 110)
        if number >= 30:
            left, right = right, left
        return [
            Head(portrait=astronaut(), center=left, eye_distance=36),
            Head(portrait=admiral(), center=right, eye_distance=36),
        ]

    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", film(60, heads))


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, replace(SETTINGS, face_mode="full_frame"), replace(SETTINGS, sampling="uniform")],
    ids=["faces", "full frame", "uniform"],
)
def test_the_sandbox_finds_what_the_pipeline_finds(
    sandboxed: SandboxedExtraction, clip: Path, settings: VisionSettings
) -> None:
    expected = extract_faces(clip, settings)
    told: list[float] = []
    found = sandboxed.extract(clip, settings, told.append)
    assert replace(found, tracks=()) == replace(expected, tracks=())
    for track, other in zip(found.tracks, expected.tracks, strict=True):
        assert track.frames == other.frames
        assert np.array_equal(track.crops, other.crops)
    assert told == sorted(told)
    assert told[-1] == 1


def test_pieces_of_faces_come_before_the_whole(sandboxed: SandboxedExtraction, clip: Path) -> None:
    pieces: list[FacePiece] = []
    found = sandboxed.extract(clip, on_piece=pieces.append)
    assert len(found.tracks) == 2
    for track in found.tracks:
        assert len(track.pieces) > 1
        assert all(any(piece is other for other in pieces) for piece in track.pieces)


def test_what_a_caller_raises_about_a_piece_ends_the_job(
    sandboxed: SandboxedExtraction, clip: Path
) -> None:
    def refuse(_: FacePiece) -> None:
        raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        sandboxed.extract(clip, on_piece=refuse)
    assert len(sandboxed.extract(clip).tracks) == 2


def test_overlays_are_drawn_when_a_video_asks_for_them(
    sandboxed: SandboxedExtraction, clip: Path
) -> None:
    found = sandboxed.extract(clip, replace(SETTINGS, landmark_overlays=True))
    assert len(found.tracks) == 2
    for track in found.tracks:
        assert track.overlay is not None
        assert track.overlay.shape == (384, 384, 3)
        # Lines and points of their own colour are on the picture.
        assert (track.overlay == (255, 255, 0)).all(axis=2).sum() > 100


def test_errors_of_the_video_come_through(sandboxed: SandboxedExtraction, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("nothing to see")
    with pytest.raises(NotAVideo):
        sandboxed.extract(text)
    with pytest.raises(NoVideoStream):
        sandboxed.extract(write_sound(tmp_path / "sound.m4a"))


def test_decoding_ends_at_the_limits(clip: Path) -> None:
    limits = SandboxLimits(wall_s=0.05)
    with (
        SandboxedExtraction(SETTINGS, limits) as hasty,
        pytest.raises(VideoTooDemanding, match=r"0\.05"),
    ):
        hasty.extract(clip)
