"""`prepare`, on small data sets of real videos with the layout of public ones."""

import csv
import hashlib
import json
import shutil
import threading
import time
from collections import Counter
from contextlib import closing, suppress

import numpy as np
import psutil
import pytest
import torch
from dataset_trees import ACTORS, FRAMES, celeb_df, face_video, faceless_video

from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_trainer.__main__ import main
from unmask_trainer.datasets import crop_cache
from unmask_trainer.datasets.crop_cache import CropCache
from unmask_trainer.datasets.errors import InvalidDataset, WorkerLost
from unmask_trainer.datasets.faces import extract_all, extract_data_set
from unmask_trainer.datasets.folder_lock import locked
from unmask_trainer.datasets.labelled import read_labelled_videos
from unmask_trainer.datasets.records import Part

SMALL = VisionSettings(crop_size=48, clip_length=4)
OPTIONS = ("--crop-size", "48", "--clip-length", "4", "--workers", "1", "--min-frames", "5")


def prepare(root, out, *options):
    return main(["prepare", str(root), "--out", str(out), *OPTIONS, *options])


def rows(out):
    with (out / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def document(out, name):
    return json.loads((out / name).read_text())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Celeb-DF with a few videos that cannot be used."""
    root = celeb_df(tmp_path_factory.mktemp("celeb"))
    intact = face_video(0)
    (root / "Celeb-real" / "id0_0001.mp4").write_bytes(b"not a video")
    (root / "Celeb-real" / "id0_0002.mp4").write_bytes(intact[: len(intact) // 2])
    (root / "Celeb-real" / "id1_0001.mp4").write_bytes(faceless_video())
    (root / "Celeb-real" / "id2_0001.mp4").write_bytes(face_video(0, 3))
    (root / "Celeb-real" / "id3_0001.mp4").symlink_to("nowhere")
    (root / "Celeb-real" / "readme.txt").write_text("no video")
    return root


@pytest.fixture(scope="module")
def out(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "out"
    assert prepare(root, out) == 0
    return out


def test_every_video_has_a_row_that_says_what_became_of_it(out):
    table = rows(out)

    assert len(table) == 2 * ACTORS + 2 + 5
    fake = table["Celeb-synthesis/id4_id5_0000"]
    assert (fake["label"], fake["identities"], fake["source"]) == ("fake", "id4;id5", "id4_0000")
    assert (fake["method"], fake["dataset"]) == ("Celeb-synthesis", "celeb-df-v1")
    assert (fake["status"], fake["error"], fake["faces"]) == ("ok", "", "1")
    assert fake["frames"] == str(FRAMES)
    assert table["YouTube-real/00001"]["split"] == "false-positive-check"
    statuses = {name: row["status"] for name, row in table.items() if row["status"] != "ok"}
    assert statuses == {
        "Celeb-real/id0_0001": "corrupt",
        "Celeb-real/id0_0002": "corrupt",
        "Celeb-real/id1_0001": "no_face",
        "Celeb-real/id2_0001": "too_short",
        "Celeb-real/id3_0001": "corrupt",
    }
    assert table["Celeb-real/id0_0001"]["error"].startswith("not_a_video: ")
    assert table["Celeb-real/id0_0002"]["error"].startswith("unreadable_video: ")
    assert table["Celeb-real/id3_0001"]["error"].startswith("unreadable_video: ")


def test_the_split_is_told_with_its_protocol_counts_and_digest(out):
    table = rows(out)

    split = document(out, "splits.json")

    assert (split["protocol"], split["leaks_identities"], split["seed"]) == ("identity", False, 0)
    placed = sorted((name, row["split"]) for name, row in table.items() if row["split"])
    lines = "".join(f"{name}\t{part}\n" for name, part in placed)
    assert split["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    for status, key in ((None, "videos"), ("ok", "usable")):
        counted = Counter(
            (row["split"], row["label"])
            for row in table.values()
            if status in {None, row["status"]}
        )
        told = {
            (part, label): classes[label][key]
            for part, classes in split["parts"].items()
            for label in classes
            if classes[label][key]
        }
        assert told == counted
    assert split["notes"] == [
        "1 files are not named as in Celeb-DF and were left out: Celeb-real/readme.txt",
        *(
            f"{folder} holds {here} of the {all_of_it} videos that celeb-df-v1 was published with"
            for folder, here, all_of_it in (
                ("Celeb-real", 17, 158),
                ("Celeb-synthesis", 12, 795),
                ("YouTube-real", 2, 250),
            )
        ),
    ]


def test_the_leakage_of_an_identity_split_is_none_but_copies_are_found(out):
    overlaps = document(out, "leakage.json")["overlaps"]

    assert len(overlaps) == 6
    assert {overlap["identities"]["count"] for overlap in overlaps} == {0}
    assert {overlap["sources"]["count"] for overlap in overlaps} == {0}
    # The tree has two films under many names.
    assert {overlap["contents"]["count"] for overlap in overlaps} == {2}
    assert "train and test share 0 identities" in (out / "leakage.txt").read_text()


def test_the_statistics_and_their_figure_are_written(out):
    names = {path.name for path in (out / "statistics").iterdir()}

    assert names == {"videos.csv", "statistics.json", "kept.txt", "histograms.png"}
    assert set(document(out / "statistics", "statistics.json")["groups"]) == {
        "Celeb-synthesis",
        "real",
    }


def test_crops_are_those_of_serving(out, root):
    videos = read_labelled_videos(out)
    (video,) = (one for one in videos if one.id == "Celeb-real/id6_0000")

    (faces,) = extract_data_set([video], SMALL, out / ".faces", workers=1, on_video=lambda *_: None)

    served = extract_faces(root / "Celeb-real" / "id6_0000.mp4", SMALL)
    assert np.array_equal(faces.load(), served.tracks[0].crops)


def files_of(out):
    return {
        path.relative_to(out): (path.stat().st_mtime_ns, path.read_bytes())
        for path in [*(out / ".faces").iterdir(), out / "survey.jsonl"]
    }


def test_a_second_run_does_nothing_anew(root, out):
    before, table = files_of(out), (out / "metadata.csv").read_bytes()

    assert prepare(root, out) == 0

    assert files_of(out) == before
    assert (out / "metadata.csv").read_bytes() == table


def test_a_file_that_changed_is_looked_at_again(tmp_path):
    root = celeb_df(tmp_path / "celeb")
    assert prepare(root, tmp_path / "out") == 0
    (root / "Celeb-real" / "id6_0000.mp4").write_bytes(faceless_video())

    assert prepare(root, tmp_path / "out") == 0

    assert rows(tmp_path / "out")["Celeb-real/id6_0000"]["status"] == "no_face"


def test_a_random_split_is_marked_as_leaking_in_every_output(root, tmp_path, capsys):
    out = tmp_path / "out"

    assert prepare(root, out, "--split", "random", "--seed", "3") == 0

    assert {row["protocol"] for row in rows(out).values()} == {"random (leaks identities)"}
    assert document(out, "splits.json")["leaks_identities"] is True
    leakage = document(out, "leakage.json")
    assert leakage["leaks_identities_by_design"] is True
    assert max(overlap["identities"]["count"] for overlap in leakage["overlaps"]) > 0
    assert (out / "leakage.txt").read_text().startswith("THIS SPLIT LEAKS IDENTITIES")
    assert "THIS SPLIT LEAKS IDENTITIES" in capsys.readouterr().out


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_training_keeps_the_split_needs_no_videos_and_tells_of_leaks(tmp_path, capsys):
    root, out, run = celeb_df(tmp_path / "celeb"), tmp_path / "out", tmp_path / "run"
    assert prepare(root, out, "--split", "random", "--crop-margin", "0.05") == 0
    assert document(out, "prepared.json")["crop_margin"] == 0.05
    shutil.rmtree(root)
    arguments = ["train", "--data", str(out), "--out", str(run), "--workers", "1"]
    stage = 'stages=[{kind = "clips", epochs = 1, window = 2}]'
    crops = ("crops.clip_length=4", "crops.size=48")
    for change in (*crops, stage, "hardware.loaders=0"):
        arguments += ["--set", change]

    assert main([*arguments, "--set", "crops.margin=0.3"]) != 0
    assert f"{root.resolve()} is gone" in capsys.readouterr().err
    assert main([*arguments, "--set", "crops.margin=0.05"]) == 0

    card = load_checkpoint(run / "checkpoint").card
    parts = document(out, "splits.json")["parts"]
    assert card.training_data.videos_real == parts["train"]["real"]["usable"]
    assert card.training_data.videos_fake == parts["train"]["fake"]["usable"]
    for row in card.evaluations:
        if row.level == "video":
            assert row.real == parts[row.split]["real"]["usable"]
            assert row.fake == parts[row.split]["fake"]["usable"]
        assert "people and clips in it were trained on" in row.note


def test_a_table_with_official_parts_becomes_a_data_set(tmp_path):
    root, out = tmp_path / "videos", tmp_path / "out"
    root.mkdir()
    lines = ["path,label,identities,split"]
    for number, part in enumerate(["train", "val", "test", ""] * 2):
        name, label = f"{number}.mp4", ("real", "fake")[number // 4]
        (root / name).write_bytes(face_video(number % 2))
        lines.append(f"{name},{label},p{number},{part}")
    (root / "metadata.csv").write_text("\n".join(lines))

    assert prepare(root, out, "--split", "official") == 0

    table = rows(out)
    assert (table["3"]["status"], table["3"]["split"]) == ("unassigned", "")
    assert table["3"]["error"] == "not_listed: the official lists put it in no part"
    videos = {video.id: video for video in read_labelled_videos(out)}
    assert {name: video.part for name, video in videos.items()} == {
        "0": Part.TRAIN,
        "1": Part.VAL,
        "2": Part.TEST,
        "4": Part.TRAIN,
        "5": Part.VAL,
        "6": Part.TEST,
    }
    assert videos["5"].group == "p5"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--layout", "dfdc"), "not laid out as dfdc"),
        (("--split", "official"), "no fake videos for train"),
        (("--test-share", "0.9"), "leave nothing for training"),
        (("--workers", "0"), "0 workers"),
        (("--min-frames", "9", "--max-frames", "8"), "no video has at least 9"),
        (("--crop-size", "4096"), "crop_size is 4096"),
        (("--crop-margin", "1.5"), "crop_margin is 1.5, not from 0.0 to 1.0"),
        (("--crop-margin", "nan"), "crop_margin is nan"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_video_is_opened(
    root, tmp_path, capsys, options, reason
):
    assert prepare(root, tmp_path / "out", *options) == 2

    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_videos_own_folder_is_no_place_to_write_to(root, capsys):
    assert prepare(root, root) == 2
    assert "holds the videos" in capsys.readouterr().err


def test_two_runs_cannot_prepare_one_folder(root, tmp_path, capsys):
    with locked(tmp_path):
        assert prepare(root, tmp_path) == 2
    assert "another run is at work in" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["prepared.json", "metadata.csv"])
def test_a_damaged_table_is_refused(out, tmp_path, name):
    damaged = tmp_path / "damaged"
    shutil.copytree(out, damaged)
    (damaged / name).write_text((damaged / name).read_text().replace("identity", "chance"))
    if name == "metadata.csv":
        (damaged / name).write_text((damaged / name).read_text().replace(",real,", ",true,"))

    with pytest.raises(InvalidDataset, match="prepare"):
        read_labelled_videos(damaged)


# --- The cache -----------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path):
    """A cache for videos of up to five frames, with the sandbox in this process."""
    settings = VisionSettings(crop_size=48, clip_length=4, max_frames=5)
    with closing(crop_cache._sandbox(settings)):
        yield CropCache(folder=tmp_path, settings=settings)
    crop_cache._sandbox.cache_clear()


def test_videos_are_decoded_in_the_sandbox(cache, tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(face_video(0, 4))

    stored = cache.extract(path)

    assert (stored.faces, stored.clips) == (1, ((0, 4),))
    assert any(
        "unmask_shared.sandbox.zygote" in child.cmdline() for child in psutil.Process().children()
    )


def test_a_broken_video_is_remembered_but_one_that_met_a_limit_is_tried_again(cache, tmp_path):
    broken, long = tmp_path / "broken.mp4", tmp_path / "long.mp4"
    broken.write_bytes(b"not a video")
    long.write_bytes(face_video(0))

    found = {path: cache.extract(path) for path in (broken, long)}

    assert found[broken].problem.code == "not_a_video"
    assert found[long].problem.code == "video_too_demanding"
    assert cache.find(found[broken].key) == found[broken]
    assert cache.find(found[long].key) is None


def test_a_worker_that_is_killed_ends_the_run_with_advice(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(face_video(0))
    found = extract_all(CropCache(folder=tmp_path, settings=SMALL), [(path, None)], workers=1)

    def kill_worker():
        while not (workers := [c for c in psutil.Process().children() if is_worker(c)]):
            time.sleep(0.01)
        workers[0].kill()

    def is_worker(child):
        with suppress(psutil.Error):
            return "--multiprocessing-fork" in child.cmdline()

    killer = threading.Thread(target=kill_worker)
    killer.start()
    with pytest.raises(WorkerLost, match="ended from outside"):
        list(found)
    killer.join()


def test_a_file_that_is_gone_is_a_problem_of_that_file(cache, tmp_path):
    assert cache.extract(tmp_path / "gone.mp4").problem.code == "unreadable_video"
    assert cache.extract(tmp_path / "gone.mp4", "00").problem.code == "unreadable_video"
