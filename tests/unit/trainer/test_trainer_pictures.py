"""Still pictures as data sets: layouts, splits, and `prepare` from end to end."""

import csv
import json
import time
from collections import Counter
from contextlib import closing

import cv2
import numpy as np
import pytest
from dataset_trees import face_video
from media_factory import Head, admiral, astronaut, scenery, show

from unmask_shared.errors import InvalidRequest
from unmask_shared.vision.picture_files import PICTURE_SUFFIXES
from unmask_shared.vision.pipeline import VisionSettings
from unmask_shared.vision.stills import extract_still
from unmask_trainer.__main__ import main
from unmask_trainer.datasets import crop_cache
from unmask_trainer.datasets.crop_cache import CropCache
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.faces import extract_data_set
from unmask_trainer.datasets.known_persons import read_known_persons, with_persons
from unmask_trainer.datasets.labelled import read_labelled_videos
from unmask_trainer.datasets.layouts.recognition import read_dataset
from unmask_trainer.datasets.protocols import Protocol, Unassigned, assign
from unmask_trainer.datasets.records import DatasetReading, Part, VideoRecord
from unmask_trainer.datasets.splits import Shares

OPTIONS = ("--crop-size", "48", "--clip-length", "4", "--workers", "1")
SETTINGS = VisionSettings(crop_size=48, clip_length=4)


def face_picture(path, number):
    """One face before a background of its own."""
    portrait = (astronaut, admiral)[number % 2]()
    head = Head(portrait=portrait, center=(110 + number, 110), eye_distance=32)
    pixels = show(scenery(240, 240, seed=number), head)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


def record(name, label=0, people=(), clips=(), **changes):
    return VideoRecord(
        path=f"{name}.jpg",
        label=label,
        identities=people,
        sources=clips or (name,),
        dataset="d",
        **changes,
    )


def rows(out):
    with (out / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


# --- What the layouts say ------------------------------------------------------------------------


def table(root, *lines):
    root.mkdir()
    for line in lines[1:]:
        (root / line.split(",")[0]).write_bytes(b"")
    (root / "metadata.csv").write_text("\n".join(lines))
    return root


def test_a_table_may_have_the_column_names_of_other_tables(tmp_path):
    root = table(tmp_path / "t", "file,label,original,person", "a.jpg,fake,b,p1", "b.png,real,b,p1")

    layout, reading = read_dataset(root)

    a, b = reading.records
    assert layout == "table"
    assert (a.path, a.label, a.sources, a.identities) == ("a.jpg", 1, ("b",), ("p1",))
    assert (b.path, b.label, b.training_only) == ("b.png", 0, False)


def test_a_row_can_be_kept_for_training(tmp_path):
    root = table(tmp_path / "t", "path,label,split_only", "a.jpg,fake,train", "b.png,real,")
    a, b = read_dataset(root)[1].records
    assert (a.training_only, b.training_only) == (True, False)


def test_no_row_can_be_kept_for_the_test(tmp_path):
    root = table(tmp_path / "t", "path,label,split_only", "a.jpg,fake,test")
    with pytest.raises(InvalidDataset, match=r"line 2 .*'test' in split_only"):
        read_dataset(root)


def test_a_table_without_labels_takes_the_one_that_is_given(tmp_path):
    root = table(tmp_path / "t", "file,person", "a.jpg,ann", "b.jpg,bob")

    layout, reading = read_dataset(root, label="real")

    assert layout == "table"
    assert {(one.label, one.identities) for one in reading.records} == {
        (0, ("ann",)),
        (0, ("bob",)),
    }
    with pytest.raises(InvalidDataset, match="none of the known layouts"):
        read_dataset(root)


def test_a_label_cannot_contradict_a_table_or_a_layout(tmp_path):
    root = table(tmp_path / "t", "path,label", "a.jpg,fake")
    with pytest.raises(InvalidDataset, match=r"line 2 .* all files shall be real"):
        read_dataset(root, label="real")
    with pytest.raises(InvalidDataset, match="leave out --label"):
        read_dataset(root, "folders", label="real")


def test_a_folder_without_a_table_is_read_with_all_below_it(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("a.jpg", "more/b.webp", "c.mp4", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).write_bytes(b"")

    layout, reading = read_dataset(tmp_path, label="real")

    assert layout == "plain"
    assert [one.path for one in reading.records] == ["a.jpg", "c.mp4", "more/b.webp"]
    assert {one.label for one in reading.records} == {0}


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InvalidRequest, match="no videos"):
        read_dataset(tmp_path, label="real")


# --- Who is where --------------------------------------------------------------------------------


def faces(count):
    """Pairs of a real picture and a forgery of it, two of each person."""
    return [
        record(f"{kind}{number}", label, (f"p{number // 2}",), (f"clip{number}",))
        for number in range(count)
        for label, kind in enumerate(("real", "fake"))
    ]


def unsure(count):
    return [
        record(f"unsure{kind}{number}", label, (), (f"unsure{number}",), training_only=True)
        for number in range(count)
        for label, kind in enumerate(("real", "fake"))
    ]


@pytest.mark.parametrize("protocol", [Protocol.IDENTITY, Protocol.RANDOM])
def test_those_whom_nobody_knows_are_trained_on_and_none_is_dropped(protocol):
    sure, others = faces(200), unsure(50)

    split = assign([*sure, *others], protocol)

    assert {split.parts[one.id] for one in others} == {Part.TRAIN}
    assert not split.unassigned
    assert {Part.TRAIN, Part.VAL, Part.TEST} == {split.parts[one.id] for one in sure}
    alone = assign(sure, protocol)
    assert alone.parts == {one.id: split.parts[one.id] for one in sure}  # nobody moved


def test_what_may_only_be_trained_on_is_left_out_where_its_person_is_tested():
    sure = faces(200)
    blurred = [record(f"blurred{n}", 0, (f"p{n}",), training_only=True) for n in range(100)]

    split = assign([*sure, *blurred], Protocol.IDENTITY)

    for number, one in enumerate(blurred):
        home = split.parts[f"real{2 * number}"]
        expected = home if home is Part.TRAIN else None
        assert split.parts.get(one.id) is expected
        if expected is None:
            assert split.unassigned[one.id] is Unassigned.TRAINING_ONLY
    assert Unassigned.TRAINING_ONLY in split.unassigned.values()


def test_official_lists_cannot_test_what_is_for_training():
    listed = [
        record(f"{part}{label}", label, official=part)
        for part in (Part.TRAIN, Part.VAL, Part.TEST)
        for label in (0, 1)
    ]
    strange = record("strange", 0, official=Part.TEST, training_only=True)
    split = assign([*listed, strange], Protocol.OFFICIAL)
    assert split.unassigned == {"strange": Unassigned.TRAINING_ONLY}


def test_one_class_is_enough_only_where_that_is_said():
    reals = [record(f"r{number}") for number in range(60)]
    with pytest.raises(InvalidDataset, match="no fake videos for train"):
        assign(reals, Protocol.IDENTITY)
    split = assign(reals, Protocol.IDENTITY, classes=("real",))
    assert set(Counter(split.parts.values())) == {Part.TRAIN, Part.VAL, Part.TEST}


def test_thousands_of_pictures_are_divided_within_seconds():
    many = [*faces(7000), *unsure(400)]
    start = time.process_time()
    assign(many, Protocol.IDENTITY, shares=Shares(val=0.1, test=0.1))
    assert time.process_time() - start < 5


# --- A table of persons --------------------------------------------------------------------------


def persons_table(folder, text):
    path = folder / "persons.csv"
    path.write_text(text)
    return path


def test_a_table_of_persons_names_files_by_path_or_by_name(tmp_path):
    path = persons_table(
        tmp_path, "file,person,confidence\na.jpg,ann,0.9\nsub/b.jpg,bob,0.3\nc.jpg,,0\n"
    )
    reading = DatasetReading(
        records=(
            record("x/a", people=("somebody", "donor")),
            record("sub/b"),
            record("other/b", people=("ben",)),
            record("c", people=("cy",)),
        )
    )

    named = with_persons(reading, read_known_persons(path))

    found = {one.id: (one.identities, one.training_only) for one in named.records}
    assert found == {
        "x/a": (("ann", "donor"), False),
        "sub/b": (("bob",), False),
        "other/b": (("ben",), False),
        "c": ((), True),
    }
    assert named.notes == ("1 files are not in the table of persons: other/b.jpg",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,person\na,b\n", "needs the columns"),
        ("file,person\na,b\na,c\n", "line 3 .* repeats a"),
    ],
)
def test_a_table_of_persons_that_cannot_be_right_is_refused(tmp_path, text, reason):
    with pytest.raises(InvalidDataset, match=reason):
        read_known_persons(persons_table(tmp_path, text))


def test_a_table_of_persons_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidDataset, match=r"gone\.csv"):
        read_known_persons(tmp_path / "gone.csv")


# --- From pictures to crops ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Pictures and a video, most of them usable."""
    root = tmp_path_factory.mktemp("pictures")
    lines = ["file,label,person,split"]
    parts = ("train", "val", "test")
    for number in range(12):
        suffix = sorted(PICTURE_SUFFIXES)[number % 4]
        path = face_picture(root / f"face{number:02d}{suffix}", number)
        lines.append(f"{path.name},{('real', 'fake')[number % 2]},p{number},{parts[number // 4]}")
    cut = face_picture(root / "cut.jpg", 20)
    cut.write_bytes(cut.read_bytes()[:2000])
    cv2.imwrite(str(root / "nobody.png"), scenery(240, 240, seed=1))
    (root / "video.mp4").write_bytes(face_video(0))
    lines += ["cut.jpg,real,p20,train", "nobody.png,real,p21,train", "video.mp4,fake,p22,train"]
    (root / "metadata.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def out(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "out"
    options = (*OPTIONS, "--split", "official")
    assert main(["prepare", str(root), "--out", str(out), *options]) == 0
    return out


def test_pictures_are_prepared_beside_videos(out):
    table = rows(out)

    assert Counter(row["status"] for row in table.values()) == {
        "ok": 13,
        "corrupt": 1,
        "no_face": 1,
    }
    assert table["cut"]["error"] == "unreadable_video: The jpeg picture is cut off."
    assert {table[f"face{number:02d}"]["frames"] for number in range(12)} == {"1"}
    assert table["video"]["frames"] == "10"


def test_a_still_is_one_clip_of_one_frame_with_the_crop_of_serving(out, root):
    videos = [video for video in read_labelled_videos(out) if video.id.startswith("face")]

    found = extract_data_set(videos, SETTINGS, out / ".faces", workers=1, on_video=lambda *_: None)

    assert [item.clips for item in found] == [((0, 1),)] * 12
    for item in found:
        served = extract_still((root / item.video.path.name).read_bytes(), SETTINGS)
        assert np.array_equal(item.load(), served.tracks[0].crops)
        assert not item.load().flags.writeable


def test_the_statistics_count_one_frame_for_a_picture(out):
    summary = json.loads((out / "statistics" / "statistics.json").read_text())["total"]
    assert summary["distributions"]["frames"]["minimum"] == 1
    assert summary["containers"] == {"jpeg": 6, "mp4": 1, "png": 4, "webp": 3}
    assert (out / "statistics" / "histograms.png").is_file()


def test_a_second_run_looks_at_no_picture_again(out, root, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in (out / ".faces").iterdir()}
    options = (*OPTIONS, "--split", "official")
    assert main(["prepare", str(root), "--out", str(out), *options]) == 0
    assert {path: path.stat().st_mtime_ns for path in (out / ".faces").iterdir()} == before


def test_portraits_are_prepared_as_real_ones(tmp_path):
    root, out = tmp_path / "portraits", tmp_path / "out"
    root.mkdir()
    for number in range(6):
        face_picture(root / f"{number}.jpg", number)
    persons = persons_table(tmp_path, "file,person\n0.jpg,ann\n1.jpg,\n")
    arguments = ["prepare", str(root), "--out", str(out), "--label", "real", *OPTIONS]
    shares = ["--val-share", "0.3", "--test-share", "0.3", "--persons", str(persons)]

    assert main([*arguments, *shares]) == 0

    table = rows(out)
    assert {(row["label"], row["status"]) for row in table.values()} == {("real", "ok")}
    assert {row["split"] for row in table.values()} == {"train", "val", "test"}
    assert (table["0"]["identities"], table["1"]["identities"]) == ("ann", "")
    assert table["1"]["split"] == "train"


def test_a_folder_that_is_read_as_a_whole_is_no_place_to_write_to(tmp_path, capsys):
    face_picture(tmp_path / "0.jpg", 0)
    inside = str(tmp_path / "out")
    assert main(["prepare", str(tmp_path), "--out", inside, "--label", "real"]) == 2
    assert "holds the videos" in capsys.readouterr().err


def test_of_many_pictures_without_a_face_the_first_are_told_and_how_many_there_are(
    tmp_path, capsys
):
    root = tmp_path / "faceless"
    root.mkdir()
    face_picture(root / "face.png", 0)
    for number in range(40):
        pixels = scenery(64, 64, seed=number)
        cv2.imwrite(str(root / f"nobody{number:02d}.png"), pixels)
    arguments = ["prepare", str(root), "--out", str(tmp_path / "out"), "--label", "real", *OPTIONS]

    assert main(arguments) == 0

    told = capsys.readouterr().out
    assert told.count("no_face: nobody") == 30
    assert "... and 10 more that cannot be used: metadata.csv" in told


@pytest.fixture
def cache(tmp_path):
    with closing(crop_cache._stills_sandbox(SETTINGS)):
        yield CropCache(folder=tmp_path, settings=SETTINGS)
    crop_cache._stills_sandbox.cache_clear()


def test_pictures_that_are_known_are_not_looked_at_again_and_broken_ones_are_kept(cache, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    known, broken = face_picture(folder / "known.jpg", 0), folder / "broken.png"
    broken.write_bytes(b"no picture")
    (first,) = cache.extract_stills([(known, None)])
    fresh = face_picture(folder / "fresh.jpg", 1)
    index = cache.folder / f"{first.key}.json"
    index.write_bytes(index.read_bytes().replace(b'"faces":1', b'"faces":7'))

    a, b, c, d = cache.extract_stills(
        [(known, None), (broken, None), (fresh, None), (folder / "gone.jpg", None)]
    )

    assert (a.faces, c.faces, c.clips) == (7, 1, ((0, 1),))
    assert b.problem.code == d.problem.code == "unreadable_video"
    assert cache.find(b.key) == b
    assert d.key == ""
