"""`python -m unmask_trainer stats`, from a folder to tables, text and figure."""

import csv
import shutil

import pytest
from media_factory import scenery, write_video
from PIL import Image

from unmask_trainer.__main__ import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes with clips of 10, 20 and 40 frames, one of them twice, and a damaged file."""
    root = tmp_path_factory.mktemp("data")
    for name, count, size in (
        ("Celeb-real/short.mp4", 10, (96, 64)),
        ("Celeb-real/middle.mp4", 20, (96, 64)),
        ("Celeb-synthesis/long.mkv", 40, (64, 48)),
    ):
        (root / name).parent.mkdir(exist_ok=True)
        write_video(root / name, [scenery(*size, seed=number) for number in range(count)])
    shutil.copy(root / "Celeb-real" / "middle.mp4", root / "Celeb-synthesis" / "copy.mp4")
    (root / "Celeb-synthesis" / "broken.mp4").write_bytes(b"not a video")
    (root / "notes.txt").write_text("no video either")
    return root


def rows(out):
    with (out / "videos.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_folder_becomes_tables_text_and_a_figure(folder, tmp_path, capsys):
    arguments = ["stats", str(folder), "--out", str(tmp_path), "--sha256", "--decode"]
    arguments += ["--min-frames", "12", "--max-frames", "30", "--stop-at", "30"]

    assert main(arguments) == 0

    found = rows(tmp_path)
    assert list(found) == sorted(found)
    assert {name: row["frames"] for name, row in found.items()} == {
        "Celeb-real/middle.mp4": "20",
        "Celeb-real/short.mp4": "10",
        "Celeb-synthesis/broken.mp4": "",
        "Celeb-synthesis/copy.mp4": "20",
        "Celeb-synthesis/long.mkv": ">30",
    }
    assert {name: row["dropped_because"] for name, row in found.items()} == {
        "Celeb-real/middle.mp4": "",
        "Celeb-real/short.mp4": "too_short",
        "Celeb-synthesis/broken.mp4": "corrupt",
        "Celeb-synthesis/copy.mp4": "",
        "Celeb-synthesis/long.mkv": "too_long",
    }
    assert found["Celeb-real/short.mp4"]["decoded_frames"] == "10"
    kept = (tmp_path / "kept.txt").read_text().splitlines()
    assert kept == ["Celeb-real/middle.mp4", "Celeb-synthesis/copy.mp4"]
    with Image.open(tmp_path / "histograms.png") as picture:
        picture.verify()
    output, errors = capsys.readouterr()
    assert "The same bytes: Celeb-real/middle.mp4, Celeb-synthesis/copy.mp4" in output
    assert "Corrupt: Celeb-synthesis/broken.mp4: not_a_video" in output
    assert errors == ""  # without a terminal there is no progress bar


def test_the_result_does_not_depend_on_the_number_of_processes(folder, tmp_path):
    for workers in ("1", "3"):
        out = tmp_path / workers
        assert main(["stats", str(folder), "--out", str(out), "--workers", workers]) == 0

    for name in ("videos.csv", "statistics.json", "kept.txt", "histograms.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_a_folder_of_which_nothing_can_be_read_fails_after_saying_why(tmp_path, capsys):
    (tmp_path / "broken.mp4").write_bytes(b"not a video")

    assert main(["stats", str(tmp_path), "--out", str(tmp_path / "out")]) == 2

    output, errors = capsys.readouterr()
    assert "Corrupt: broken.mp4: not_a_video" in output
    assert "none of the 1 files" in errors
    assert rows(tmp_path / "out")["broken.mp4"]["error_code"] == "not_a_video"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--min-frames", "30", "--max-frames", "20"], "no video has at least 30"),
        (["--max-frames", "300", "--stop-at", "200"], "stops at 200 frames"),
        (["--workers", "0"], "0 workers"),
        (["--timeout", "0"], "0 s for a video"),
    ],
)
def test_options_that_make_no_sense_are_refused(folder, tmp_path, capsys, options, reason):
    assert main(["stats", str(folder), "--out", str(tmp_path / "out"), *options]) == 2

    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_refused(tmp_path, capsys):
    assert main(["stats", str(tmp_path), "--out", str(tmp_path / "out")]) == 2

    assert "holds no videos" in capsys.readouterr().err
