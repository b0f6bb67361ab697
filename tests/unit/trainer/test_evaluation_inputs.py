"""What is measured: tables joined to videos, splits, identities, degradations."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from unmask_shared.model.scoring import Thresholds
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.evaluation.degradations import DEGRADATIONS, h264, jpeg, noise
from unmask_trainer.evaluation.document import DatasetInfo, Resampling
from unmask_trainer.evaluation.errors import InvalidEvaluation
from unmask_trainer.evaluation.inputs import (
    EvaluationInput,
    choose_videos,
    dataset_names,
    facts_of,
    fingerprint,
    told_apart,
)
from unmask_trainer.evaluation.metadata import Metadata
from unmask_trainer.evaluation.robustness import choose, clips_of
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.scoring import ScoredVideo
from unmask_trainer.evaluation.slices import slices

BAND = Thresholds(real_below=0.3, fake_above=0.7)
ROOT = Path("data")


def video(name="fake/clip.mp4", **details):
    label = int(name.startswith("fake"))
    return LabelledVideo(path=ROOT / name, label=label, group=Path(name).stem, **details)


def table(path, *rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def scored(label, clips=3):
    face = FaceClips(
        video=LabelledVideo(path=ROOT / "clip.mp4", label=label, group="one"),
        crops_path=ROOT / "none.npy",
        clips=tuple((4 * i, 4 * i + 4) for i in range(clips)),
    )
    return ScoredVideo(faces=face, logits=np.zeros((clips, 2), np.float32), lengths=(4,) * clips)


@pytest.mark.parametrize("key", ["fake/clip.mp4", "fake/clip", "clip"])
def test_a_row_is_found_by_any_form_of_the_name(tmp_path, key):
    tables = Metadata([table(tmp_path / "a.csv", ("id", "light"), (key, "dark"))])

    assert tables.of(video(), ROOT) == {"id": key, "light": "dark"}
    assert tables.of(video("fake/other.mp4"), ROOT) == {}


@pytest.mark.parametrize(("real", "fake"), [("real", "fake"), ("0", "1"), ("REAL", "FAKE")])
def test_the_label_tells_rows_of_one_name_apart(tmp_path, real, fake):
    path = table(
        tmp_path / "a.csv",
        ("id", "label", "light"),
        ("clip", real, "dark"),
        ("clip", fake, "bright"),
    )

    assert Metadata([path]).of(video("real/clip.mp4"), ROOT)["light"] == "dark"
    assert Metadata([path]).of(video("fake/clip.mp4"), ROOT)["light"] == "bright"


def test_later_tables_add_to_earlier_ones(tmp_path):
    first = table(tmp_path / "a.csv", ("id", "light", "age"), ("clip", "dark", ""))
    second = table(tmp_path / "b.csv", ("id", "light"), ("clip", "bright"))

    tables = Metadata([first, second])

    assert tables.of(video(), ROOT) == {"id": "clip", "light": "bright"}
    assert tables.columns == ["age", "id", "light"]


def test_a_table_that_is_none_is_explained(tmp_path):
    with pytest.raises(InvalidEvaluation, match=r"a\.csv has no column id, only file, light"):
        Metadata([table(tmp_path / "a.csv", ("file", "light"))])
    with pytest.raises(InvalidEvaluation, match="cannot be read as a table"):
        Metadata([tmp_path / "missing.csv"])
    (tmp_path / "binary.csv").write_bytes(b"id\n\xff\xfe\x00")
    with pytest.raises(InvalidEvaluation, match="cannot be read as a table"):
        Metadata([tmp_path / "binary.csv"])


def test_videos_that_were_learned_from_are_not_measured_unless_asked_for():
    videos = [video(f"fake/{i}.mp4") for i in range(5)]
    parts = ("train", "val", "test", "false-positive-check", "")
    rows = {one.id: {"split": part} for one, part in zip(videos, parts, strict=True)}

    assert choose_videos(videos, rows, (), ROOT) == videos[2:]
    assert choose_videos(videos, rows, ("train", "test"), ROOT) == [videos[0], videos[2]]
    with pytest.raises(InvalidEvaluation, match="no split tset; it has false-positive-check, test"):
        choose_videos(videos, rows, ("tset",), ROOT)


@pytest.mark.parametrize(
    ("row", "identities"),
    [
        ({"identities": "id1; id2", "person": "p"}, ("id1", "id2")),
        ({"person": "Ann Lee"}, ("Ann Lee",)),
        ({"source": "a/b c;d"}, ("a/b c", "d")),
        ({}, ("clip",)),
    ],
)
def test_identities_are_those_that_are_known_best(row, identities):
    assert facts_of(video(), row, "data").identities == identities


def test_the_data_set_is_named_by_its_table_or_else_by_its_folder():
    assert facts_of(video(), {"dataset": "celeb-df"}, "data").dataset == "celeb-df"
    assert facts_of(video(), {}, "data").dataset == "data"
    assert dataset_names([Path("a/test"), Path("b/test"), Path("c")]) == ["test", "test (2)", "c"]


def test_folders_whose_data_sets_have_one_name_are_told_apart():
    def source(folder, *names):
        info = DatasetInfo(
            name=folder, folder=folder, splits=(), caution="", not_chosen=0, left_out=(), sha256=""
        )
        facts = tuple(Facts(dataset=name, identities=("id0",)) for name in names)
        return EvaluationInput(info=info, faces=(), facts=facts, columns=frozenset())

    found = told_apart([source("a", "folders", "celeb"), source("b", "folders"), source("c", "c")])

    assert [[facts.dataset for facts in item.facts] for item in found] == [
        ["folders (a)", "celeb"],
        ["folders (b)"],
        ["c"],
    ]


def test_the_fingerprint_is_of_names_and_bytes_in_any_order(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes(name.encode())
    known = hashlib.sha256(b"a").hexdigest()
    faces = [
        FaceClips(
            video=LabelledVideo(path=tmp_path / f"{name}.mp4", label=0, group=name, sha256=digest),
            crops_path=tmp_path,
            clips=(),
        )
        for name, digest in (("a", known), ("b", None))
    ]

    before = fingerprint(faces)

    assert fingerprint(faces[::-1]) == before
    (tmp_path / "b.mp4").write_bytes(b"c")
    assert fingerprint(faces) != before


def test_each_method_is_measured_against_the_reals_of_its_data_set():
    methods = [
        ("one", ""),
        ("one", "swap"),
        ("one", "swap"),
        ("one", "blend"),
        ("two", ""),
        ("two", "swap"),
    ]
    facts = tuple(
        Facts(dataset=dataset, identities=(str(i),), method=method)
        for i, (dataset, method) in enumerate(methods)
    )
    labels = np.array([0, 1, 1, 1, 0, 1])
    drawn = Sample(labels=labels, probabilities=np.full(6, 0.5), facts=facts)

    found = slices(drawn, "video", BAND, Resampling(resamples=100))

    assert [(s.kind, s.name, s.dataset, s.summary.real, s.summary.fake) for s in found] == [
        ("all", "all", None, 2, 4),
        ("dataset", "one", "one", 1, 3),
        ("method", "blend", "one", 1, 1),
        ("method", "swap", "one", 1, 2),
        ("dataset", "two", "two", 1, 1),
        ("method", "swap", "two", 1, 1),
    ]


@pytest.mark.parametrize("way", DEGRADATIONS, ids=lambda way: way.name)
def test_degradations_do_more_harm_the_stronger_they_are(way):
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(49), np.arange(49)) * 2
    crops = (smooth[None, :, :, None] + rng.integers(0, 40, (3, 49, 49, 3))).astype(np.uint8)

    damage = [
        np.abs(way.apply(crops, strength) - crops.astype(float)).mean()
        for strength in way.strengths
    ]

    for strength in way.strengths:
        changed = way.apply(crops, strength)
        assert (changed.shape, changed.dtype) == (crops.shape, crops.dtype)
    assert damage == sorted(damage)
    assert damage[0] > 0


def test_degradations_keep_red_red_and_frames_in_order():
    crops = np.zeros((4, 32, 32, 3), np.uint8)
    crops[:, :, :, 0] = np.array([60, 120, 180, 240])[:, None, None]

    for changed in (jpeg(crops, 95), h264(crops, 10)):
        red, green, blue = changed.reshape(4, -1, 3).mean(axis=1).T
        assert np.abs(red - [60, 120, 180, 240]).max() < 12
        assert max(green.max(), blue.max()) < 15
    assert np.array_equal(noise(crops, 5), noise(crops, 5))


def test_the_sweep_takes_both_classes_and_no_more_than_its_limit():
    videos = [scored(0)] * 3 + [scored(1)] * 50

    chosen = choose(videos, 10, seed=0)

    labels = [videos[i].faces.video.label for i in chosen]
    assert (labels.count(0), labels.count(1)) == (3, 7)
    assert chosen == sorted(chosen)
    assert choose(videos, 10, seed=0) == chosen != choose(videos, 10, seed=1)
    assert choose(videos, 1000, seed=0) == list(range(53))
    assert len(choose([scored(1)] * 8, 5, seed=0)) == 5


def test_the_sweep_spreads_its_clips_over_the_video(tmp_path):
    face = scored(0, clips=5).faces
    np.save(tmp_path / "crops.npy", np.arange(20, dtype=np.uint8)[:, None, None, None])
    video = ScoredVideo(
        faces=FaceClips(video=face.video, crops_path=tmp_path / "crops.npy", clips=face.clips),
        logits=np.zeros((5, 2), np.float32),
        lengths=(4,) * 5,
    )

    assert [int(clip[0, 0, 0, 0]) for clip in clips_of(video)] == [0, 16]
