"""The layouts of public data sets, by their true file names; nothing here opens a video."""

import csv
import json
from collections import Counter

import pytest

from unmask_shared.errors import UnmaskError
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.layouts.recognition import read_dataset
from unmask_trainer.datasets.records import Part

CELEB_DF = (
    "Celeb-real/id0_0000.mp4",
    "Celeb-real/id0_0003.mp4",
    "Celeb-real/id61_0000.mp4",
    "Celeb-synthesis/id0_id61_0003.mp4",
    "Celeb-synthesis/id61_id0_0000.mp4",
    "YouTube-real/00000.mp4",
    "YouTube-real/00170.mp4",
)


def tree(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def write_table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def records_of(root, layout=None):
    return {record.id: record for record in read_dataset(root, layout)[1].records}


def notes_of(root):
    return read_dataset(root)[1].notes


# --- Celeb-DF ------------------------------------------------------------------------------------


def test_celeb_df_names_tell_target_source_and_clip(tmp_path):
    records = records_of(tree(tmp_path, CELEB_DF))

    assert len(records) == len(CELEB_DF)
    fake = records["Celeb-synthesis/id0_id61_0003"]
    assert (fake.label, fake.identities, fake.sources) == (1, ("id0", "id61"), ("id0_0003",))
    real = records["Celeb-real/id0_0003"]
    assert (real.label, real.identities, real.sources) == (0, ("id0",), ("id0_0003",))
    assert {record.dataset for record in records.values()} == {"celeb-df-v1"}
    assert {record.official for record in records.values()} == {None}


def test_celeb_df_youtube_videos_are_reserved(tmp_path):
    records = records_of(tree(tmp_path, CELEB_DF))

    assert {name for name, record in records.items() if record.reserved} == {
        "YouTube-real/00000",
        "YouTube-real/00170",
    }


def test_celeb_df_v2_takes_its_test_videos_from_the_list_where_one_means_real(tmp_path):
    root = tree(tmp_path, CELEB_DF)
    listed = ["1 YouTube-real/00170.mp4", "1 Celeb-real/id0_0003.mp4"]
    listed += ["0 Celeb-synthesis/id0_id61_0003.mp4", "", "1 Celeb-real/id9_0001.mp4"]
    (root / "List_of_testing_videos.txt").write_text("\r\n".join(listed))

    name, reading = read_dataset(root)

    official = {record.id: record.official for record in reading.records}
    assert name == "celeb-df"
    assert {key for key, part in official.items() if part is Part.TEST} == {
        "YouTube-real/00170",
        "Celeb-real/id0_0003",
        "Celeb-synthesis/id0_id61_0003",
    }
    assert official["Celeb-real/id0_0000"] is Part.TRAIN
    assert official["YouTube-real/00000"] is None
    assert {record.dataset for record in reading.records} == {"celeb-df-v2"}
    assert "1 videos of List_of_testing_videos.txt are missing" in reading.notes[0]
    assert "id9_0001" in reading.notes[0]


def whole_version_1():
    """As many names as version 1 has, of 13 actors."""
    reals = [(actor, clip) for actor in range(13) for clip in range(12)] + [(0, 12), (1, 12)]
    pairs = [(target, clip, source) for target, clip in reals for source in range(13)]
    fakes = [(target, source, clip) for target, clip, source in pairs if source != target][:795]
    return [
        *(f"Celeb-real/id{actor}_{clip:04d}.mp4" for actor, clip in reals),
        *(f"YouTube-real/{number:05d}.mp4" for number in range(250)),
        *(
            f"Celeb-synthesis/id{target}_id{source}_{clip:04d}.mp4"
            for target, clip, source in fakes
        ),
    ]


def test_a_whole_celeb_df_v1_is_known_by_its_numbers_also_with_a_list(tmp_path):
    root = tree(tmp_path, whole_version_1())
    (root / "List_of_testing_videos.txt").write_text("1 Celeb-real/id0_0000.mp4\n")

    name, reading = read_dataset(root)

    assert name == "celeb-df"
    assert Counter(record.dataset for record in reading.records) == {"celeb-df-v1": 158 + 250 + 795}
    assert Counter(record.label for record in reading.records) == {0: 158 + 250, 1: 795}
    assert sum(record.reserved for record in reading.records) == 250
    assert reading.notes == ()


def test_a_copy_that_broke_off_is_told_from_a_whole_one(tmp_path):
    names = whole_version_1()
    root = tree(tmp_path, [name for name in names if not name.startswith("Celeb-s")] + names[-10:])

    assert notes_of(root) == (
        "Celeb-synthesis holds 10 of the 795 videos that celeb-df-v1 was published with",
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 Celeb-real/id0_0000.mp4", "disagree about Celeb-real/id0_0000.mp4"),
        ("1 Celeb-synthesis/id0_id61_0003.mp4", "1 means real"),
        ("Celeb-real/id0_0000.mp4", "line 1 of .*List_of_testing_videos.txt"),
        ("2 Celeb-real/id0_0000.mp4", "line 1 of"),
    ],
)
def test_a_celeb_df_list_that_cannot_be_right_is_refused(tmp_path, line, reason):
    root = tree(tmp_path, CELEB_DF)
    (root / "List_of_testing_videos.txt").write_text(line + "\n")

    with pytest.raises(InvalidDataset, match=reason):
        read_dataset(root)


def test_extra_files_are_left_out_and_named(tmp_path):
    extra = ["Celeb-real/readme.txt", "Celeb-synthesis/id0_0003.mp4", "Celeb-real/.id0_0009.mp4"]
    root = tree(tmp_path, [*CELEB_DF, *extra])

    assert len(records_of(root)) == len(CELEB_DF)
    note = notes_of(root)[0]
    assert note.startswith("2 files")
    assert "Celeb-real/readme.txt" in note


# --- FaceForensics++ -----------------------------------------------------------------------------

FACEFORENSICS = (
    "original_sequences/youtube/c23/videos/953.mp4",
    "original_sequences/youtube/c23/videos/974.mp4",
    "original_sequences/youtube/c40/videos/953.mp4",
    "original_sequences/youtube/raw/videos/183.mp4",
    "original_sequences/actors/c23/videos/01__hugging_happy.mp4",
    "manipulated_sequences/Deepfakes/c23/videos/953_974.mp4",
    "manipulated_sequences/Face2Face/c23/videos/974_953.mp4",
    "manipulated_sequences/FaceSwap/c40/videos/953_974.mp4",
    "manipulated_sequences/NeuralTextures/raw/videos/183_253.mp4",
    "manipulated_sequences/FaceShifter/c0/videos/183_953.mp4",
    "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__hugging_happy__YVGY8LOK.mp4",
)


def faceforensics(root, **lists):
    tree(root, FACEFORENSICS)
    (root / "splits").mkdir()
    pairs = {"train": [["953", "974"]], "val": [["183", "253"]], "test": [], **lists}
    for name, content in pairs.items():
        (root / "splits" / f"{name}.json").write_text(json.dumps(content))
    return root


def test_faceforensics_names_tell_method_pair_and_compression(tmp_path):
    records = records_of(faceforensics(tmp_path))

    assert len(records) == len(FACEFORENSICS)
    fake = records["manipulated_sequences/Deepfakes/c23/videos/953_974"]
    assert (fake.label, fake.method) == (1, "Deepfakes")
    assert fake.identities == fake.sources == ("youtube/953", "youtube/974")
    assert fake.dataset == "faceforensics-c23"
    real = records["original_sequences/youtube/c40/videos/953"]
    assert (real.label, real.method, real.identities) == (0, "", ("youtube/953",))
    assert real.dataset == "faceforensics-c40"
    actors = records[
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__hugging_happy__YVGY8LOK"
    ]
    assert actors.identities == ("actors/01", "actors/02")
    assert actors.sources == ("actors/01__hugging_happy",)
    assert actors.sources == (
        records["original_sequences/actors/c23/videos/01__hugging_happy"].sources
    )


def test_both_clips_and_both_forgeries_of_a_pair_are_in_the_part_of_its_list(tmp_path):
    records = records_of(faceforensics(tmp_path))

    parts = {name: record.official for name, record in records.items()}
    assert parts["original_sequences/youtube/c23/videos/953"] is Part.TRAIN
    assert parts["original_sequences/youtube/c23/videos/974"] is Part.TRAIN
    assert parts["manipulated_sequences/Deepfakes/c23/videos/953_974"] is Part.TRAIN
    assert parts["manipulated_sequences/Face2Face/c23/videos/974_953"] is Part.TRAIN
    assert parts["manipulated_sequences/NeuralTextures/raw/videos/183_253"] is Part.VAL
    assert parts["manipulated_sequences/FaceShifter/c0/videos/183_953"] is None
    assert parts["original_sequences/actors/c23/videos/01__hugging_happy"] is None


def test_listed_clips_that_are_missing_are_named(tmp_path):
    (note,) = notes_of(faceforensics(tmp_path))

    assert "253.mp4" in note
    assert note.startswith("1 clips")


def test_faceforensics_without_lists_has_no_official_split(tmp_path):
    tree(tmp_path, FACEFORENSICS)

    assert {record.official for record in records_of(tmp_path).values()} == {None}
    assert any("no official split" in note for note in notes_of(tmp_path))


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ({"test": [["953", "974", "001"]]}, "test.json is not a list of pairs"),
        ({"val": {"pairs": []}}, "val.json is not a list of pairs"),
        ({"test": [[953, 974]]}, "test.json is not a list of pairs"),
        ({"test": [["974", "001"]]}, "lists the clip 974 for train and for test"),
    ],
)
def test_faceforensics_lists_that_cannot_be_right_are_refused(tmp_path, lists, reason):
    with pytest.raises(InvalidDataset, match=reason):
        read_dataset(faceforensics(tmp_path, **lists))


def test_a_missing_or_broken_faceforensics_list_is_refused(tmp_path):
    root = faceforensics(tmp_path)
    (root / "splits" / "val.json").write_text("[[")
    with pytest.raises(InvalidDataset, match=r"val\.json"):
        read_dataset(root)

    (root / "splits" / "val.json").unlink()
    with pytest.raises(InvalidDataset, match=r"val\.json is missing"):
        read_dataset(root)


# --- DFDC ----------------------------------------------------------------------------------------


def dfdc(root, tables):
    for part, table in tables.items():
        tree(root, [f"{part}/{name}" for name in table])
        (root / part / "metadata.json").write_text(json.dumps(table))
    return root


REAL_ENTRY = {"label": "REAL", "split": "train", "original": None}


def test_dfdc_forgeries_are_joined_to_their_originals_across_parts(tmp_path):
    fake = {"label": "FAKE", "split": "train", "original": "axczxisdtb.mp4"}
    root = dfdc(
        tmp_path,
        {
            "dfdc_train_part_00": {"axczxisdtb.mp4": REAL_ENTRY},
            "dfdc_train_part_01": {"owxbbpjpch.mp4": fake},
        },
    )

    records = records_of(root)

    real, forged = (
        records["dfdc_train_part_00/axczxisdtb"],
        records["dfdc_train_part_01/owxbbpjpch"],
    )
    assert (real.label, forged.label) == (0, 1)
    assert real.sources == forged.sources == ("axczxisdtb",)
    assert real.identities == forged.identities == ()
    assert forged.official is Part.TRAIN


def test_one_part_of_dfdc_can_be_read_alone(tmp_path):
    root = dfdc(tmp_path, {"dfdc_train_part_07": {"a.mp4": REAL_ENTRY}}) / "dfdc_train_part_07"

    assert read_dataset(root)[0] == "dfdc"
    assert set(records_of(root)) == {"a"}


def test_dfdc_videos_that_are_missing_or_unlisted_are_named(tmp_path):
    root = dfdc(tmp_path, {"dfdc_train_part_00": {"a.mp4": REAL_ENTRY, "b.mp4": REAL_ENTRY}})
    (root / "dfdc_train_part_00" / "b.mp4").rename(root / "dfdc_train_part_00" / "c.mp4")

    assert set(records_of(root)) == {"dfdc_train_part_00/a"}
    assert [note for note in notes_of(root) if "missing: dfdc_train_part_00/b.mp4" in note]
    assert [note for note in notes_of(root) if "left out: dfdc_train_part_00/c.mp4" in note]


@pytest.mark.parametrize(
    ("content", "where"),
    [("[]", "the document"), ('{"a.mp4": {"label": "real"}}', r"a\.mp4\.label"), ("{", "document")],
)
def test_wrong_json_of_dfdc_is_refused_with_the_place(tmp_path, content, where):
    root = dfdc(tmp_path, {"dfdc_train_part_00": {"a.mp4": REAL_ENTRY}})
    (root / "dfdc_train_part_00" / "metadata.json").write_text(content)

    with pytest.raises(InvalidDataset, match=where):
        read_dataset(root)


# --- Folders and tables --------------------------------------------------------------------------


def test_real_and_fake_folders_take_people_from_their_table(tmp_path):
    root = tree(tmp_path, ["real/a-00.mp4", "fake/a-00.mp4", "real/b.mp4"])
    columns = ("id", "label", "person", "source", "method")
    rows = [("a-00", "real", "p", "a", ""), ("a-00", "fake", "p", "a", "swap")]
    write_table(root / "metadata.csv", [columns, *rows])

    records = records_of(root)

    assert records["fake/a-00"].identities == ("p",)
    assert records["fake/a-00"].sources == ("a",)
    assert records["fake/a-00"].method == "swap"
    assert (records["real/b"].identities, records["real/b"].sources) == ((), ("b",))


def test_real_and_fake_folders_need_both_classes(tmp_path):
    root = tree(tmp_path, ["real/a.mp4"])
    (root / "fake").mkdir()

    with pytest.raises(UnmaskError, match="fake holds no videos"):
        read_dataset(root)


def listed(root, *rows, columns="path,label,identities,source,method,split,dataset"):
    tree(root, ["videos/a.mp4", "videos/b.mov"])
    write_table(root / "metadata.csv", [columns.split(","), *rows])
    return root


def test_a_table_tells_everything_about_its_videos(tmp_path):
    row = ("videos/a.mp4", "fake", "ann; bob;ann", "c1;c2", "swap", "test", "mine")
    root = listed(tmp_path, row, ("videos/b.mov", "real", "", "", "", "", ""))

    records = records_of(root)

    fake, real = records["videos/a"], records["videos/b"]
    assert (fake.label, fake.identities, fake.sources) == (1, ("ann", "bob"), ("c1", "c2"))
    assert (fake.method, fake.official, fake.dataset) == ("swap", Part.TEST, "mine")
    assert (real.identities, real.sources, real.official) == ((), ("videos/b",), None)
    assert real.dataset == tmp_path.name


def test_a_table_may_have_nothing_but_paths_and_labels(tmp_path):
    root = listed(tmp_path, ("videos/a.mp4", "fake"), ("c.mp4", "real"), columns="path,label")

    assert set(records_of(root)) == {"videos/a"}
    assert notes_of(root) == ("1 videos of metadata.csv are missing: c.mp4",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("../a.mp4", "fake"), "line 2 .* not below its folder"),
        (("/etc/passwd", "fake"), "not below its folder"),
        (("", "fake"), "not below its folder"),
        (("videos/a.mp4", "FAKE"), "'FAKE', not real or fake"),
        (("videos/a.mp4", "fake", "", "", "", "training"), "the split 'training'"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused_with_its_line(tmp_path, row, reason):
    with pytest.raises(InvalidDataset, match=reason):
        read_dataset(listed(tmp_path, row))


def test_two_videos_of_one_id_are_refused(tmp_path):
    root = listed(tmp_path, ("videos/a.mp4", "fake"), ("videos/a.mp4", "real"))
    with pytest.raises(InvalidDataset, match="same id, videos/a"):
        read_dataset(root)

    folders = tree(tmp_path / "folders", ["real/a.mp4", "real/a.mov", "fake/b.mp4"])
    with pytest.raises(InvalidDataset, match="same id, real/a"):
        read_dataset(folders)


# --- Recognition ---------------------------------------------------------------------------------


def test_a_folder_that_fits_no_layout_is_told_what_there_is(tmp_path):
    with pytest.raises(InvalidDataset, match="celeb-df: Celeb-real/ and Celeb-synthesis/"):
        read_dataset(tmp_path)
    with pytest.raises(InvalidDataset, match="is not a folder"):
        read_dataset(tmp_path / "nowhere")


def test_a_folder_that_fits_several_layouts_needs_a_choice(tmp_path):
    root = listed(tree(tmp_path, ["real/a.mp4", "fake/a.mp4"]), ("videos/a.mp4", "fake", "p"))

    with pytest.raises(InvalidDataset, match="folders or table: choose one with --layout"):
        read_dataset(root)
    assert set(records_of(root, "table")) == {"videos/a"}


def test_a_layout_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InvalidDataset, match="not laid out as dfdc"):
        read_dataset(tree(tmp_path, CELEB_DF), "dfdc")


def test_a_layout_without_its_videos_is_refused(tmp_path):
    (tmp_path / "Celeb-real").mkdir()
    (tmp_path / "Celeb-synthesis").mkdir()

    with pytest.raises(InvalidDataset, match="holds no videos"):
        read_dataset(tmp_path)
