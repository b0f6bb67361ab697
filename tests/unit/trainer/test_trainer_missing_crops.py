"""Prepared folders whose crops are not those that are asked for: said first, or refused."""

import json
import shutil
from dataclasses import replace

import pytest
from prepared_crops import FRAMES, SIDE, prepared_crops

from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.data_sets import load_faces
from unmask_trainer.datasets import crop_cache
from unmask_trainer.datasets.errors import VideosGone
from unmask_trainer.datasets.labelled import read_labelled_videos
from unmask_trainer.datasets.missing_crops import explain_missing_crops
from unmask_trainer.datasets.prepared import PREPARATION_FILE, read_preparation
from unmask_trainer.datasets.records import Part
from unmask_trainer.evaluation.errors import InvalidEvaluation
from unmask_trainer.evaluation.inputs import read_input

MADE = VisionSettings(crop_size=SIDE, clip_length=FRAMES)
WIDER = replace(MADE, crop_margin=0.4)


@pytest.fixture
def folder(tmp_path):
    """Two videos, whose files are not there any more; the folder that they were in is."""
    folder = prepared_crops(tmp_path / "prepared", {Part.TEST: 1})
    (folder / "videos").mkdir()
    return folder


def explained(folder, settings):
    return explain_missing_crops(folder, read_labelled_videos(folder), settings)


def edit(folder, **changes):
    path = folder / PREPARATION_FILE
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in document.items() if value != ""}))


def test_crops_that_are_there_are_nothing_to_speak_of_even_without_the_videos(folder):
    shutil.rmtree(folder / "videos")

    assert explained(folder, MADE) is None


@pytest.mark.parametrize(
    ("change", "made", "asked"),
    [
        ({"crop_size": 48}, f"{SIDE} px, margin M", "48 px, margin M"),
        ({"crop_margin": 0.3}, f"{SIDE} px, margin M", f"{SIDE} px, margin 0.3"),
        (
            {"clip_length": 4},
            f"{SIDE} px, margin M, {FRAMES} frames a clip",
            f"{SIDE} px, margin M, 4 frames a clip",
        ),
    ],
)
def test_other_crops_than_the_folder_has_are_announced_with_both_settings(
    folder, change, made, asked
):
    margin = f"{MADE.crop_margin:g}"

    assert explained(folder, replace(MADE, **change)) == (
        f"{folder} was prepared with crops of {made.replace('M', margin)}; this asks for "
        f"{asked.replace('M', margin)}: its faces are extracted anew from {folder / 'videos'}"
    )


def test_crops_of_another_version_are_announced(folder, monkeypatch):
    monkeypatch.setattr(crop_cache, "_VERSION", crop_cache._VERSION + 1)

    assert explained(folder, MADE) == (
        f"{folder} lacks crops as this version of Unmask makes them: its faces are extracted anew "
        f"from {folder / 'videos'}"
    )


def test_whole_pictures_are_told_from_crops_of_faces(folder):
    found = explained(folder, replace(MADE, face_mode="full_frame"))

    assert "prepared with crops of faces; this asks for whole pictures" in found


def test_a_folder_that_lacks_a_few_crops_is_not_said_to_lack_all(folder):
    next((folder / ".faces").glob("*.json")).unlink()

    assert ": faces of 1 of 2 videos are extracted anew from " in explained(folder, MADE)


def test_a_folder_of_before_has_no_known_margin(folder):
    edit(folder, crop_margin="")

    assert read_preparation(folder).crop_margin is None
    assert explained(folder, MADE) is None
    assert f"{SIDE} px, margin not recorded; this asks for" in explained(folder, WIDER)


def test_without_the_videos_other_crops_are_refused(folder):
    edit(folder, root="/videos/of/another/machine")

    with pytest.raises(VideosGone, match=r"margin 0\.4: .* but /videos/of/another/machine is gone"):
        explained(folder, WIDER)


def test_a_folder_that_was_not_prepared_has_its_videos(tmp_path):
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "clip.mp4").touch()

    assert explained(tmp_path, MADE) is None


def test_training_says_so_before_it_looks_for_faces(folder, capsys):
    assert load_faces(folder, WIDER, workers=1) == []

    lines = [line for line in capsys.readouterr().err.splitlines() if "video" in line]
    said = [i for i, line in enumerate(lines) if "its faces are extracted anew" in line]
    assert len(said) == 1
    assert said[0] < next(i for i, line in enumerate(lines) if "left out" in line)


def test_evaluations_say_so_too(folder, capsys):
    with pytest.raises(InvalidEvaluation, match="shows a face"):
        read_input(folder, WIDER, name="some", splits=["test"], metadata=[], by=[], workers=1)

    first = capsys.readouterr().err.splitlines()[0]
    assert "this asks for 32 px, margin 0.4: its faces are extracted anew from" in first
