"""`evaluate` from end to end, with the checkpoint that ships and a data set made on the spot."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from unmask_shared.model.checkpoint import load_card
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.__main__ import main
from unmask_trainer.data_sets import load_faces
from unmask_trainer.datasets.splits import Shares, Split, split_groups
from unmask_trainer.demo_media import PORTRAITS
from unmask_trainer.evaluation.document import EvaluationDocument

MODEL = Path(__file__).parents[3] / "models" / "default"
PEOPLE = 9
EXPERIMENT = """
crops = {size = 48, clip_length = 4}
stages = [{kind = "clips", epochs = 1, window = 2}]
hardware = {accelerator = "cpu", loaders = 0}
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Controls and forgeries of portraits of some people, with a table that says more."""
    root = tmp_path_factory.mktemp("evaluated")
    (root / "images").mkdir()
    rng = np.random.default_rng(0)
    for number in range(PEOPLE):
        picture = PORTRAITS[number % 2].picture()[:320, 60:460]
        picture = cv2.convertScaleAbs(picture, alpha=float(rng.uniform(0.7, 1.1)))
        cv2.imwrite(str(root / "images" / f"portrait{number}.png"), picture[..., ::-1])
    arguments = ["forge", "--images", str(root / "images"), "--out", str(root / "faces")]
    assert main([*arguments, "--portrait-frames", "5", "--workers", "1"]) == 0
    with (root / "more.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("id", "light", "split"))
        for number in range(PEOPLE):
            light, split = ("dark", "bright")[number % 2], ("train", "test")[number > 0]
            for name in (f"portrait{number}", f"portrait{number}~0"):
                table.writerow((name, light, split))
    return root


@pytest.fixture(scope="module")
def evaluated(data, tmp_path_factory):
    """An evaluation of two data sets, the second of which has no forgeries that can be read."""
    out = tmp_path_factory.mktemp("out")
    other = data / "other"
    shutil.copytree(data / "faces" / "real", other / "real")
    (other / "fake").mkdir()
    (other / "fake" / "broken <b>.mp4").write_bytes(b"not a video")
    arguments = ["evaluate", str(MODEL), "--data", str(data / "faces"), "--data", str(other)]
    arguments += ["--metadata", str(data / "more.csv"), "--by", "light", "--robustness", "2"]
    arguments += ["--resamples", "100", "--workers", "1", "--out", str(out)]
    before = {path: path.read_bytes() for path in MODEL.glob("*.json")}
    assert main(arguments) == 0
    assert {path: path.read_bytes() for path in MODEL.glob("*.json")} == before
    return out


def test_every_figure_is_in_the_document(data, evaluated):
    document = EvaluationDocument.model_validate_json((evaluated / "metrics.json").read_bytes())
    card = load_card(MODEL)

    assert document.checkpoint.weights_sha256 == card.weights_sha256
    assert document.checkpoint.thresholds == card.thresholds
    assert [(item.name, item.caution) for item in document.datasets] == [
        ("faces", ""),
        ("other", ""),
    ]
    assert {item.splits for item in document.datasets} == {("test",)}
    sets = {s.name: s.summary for s in document.slices if (s.kind, s.level) == ("dataset", "video")}
    with (data / "faces" / "metadata.csv").open(newline="") as file:
        people = {
            name
            for row in csv.DictReader(file)
            if not row["id"].startswith("portrait0")
            for name in row["identities"].split(";")
        }
    tested = PEOPLE - 1
    assert (sets["faces"].real, sets["faces"].fake) == (tested, tested)
    assert sets["faces"].identities == len(people)
    assert sets["faces"].metrics["auc"].low < sets["faces"].metrics["auc"].high
    assert (sets["other"].real, sets["other"].fake) == (tested, 0)
    assert sets["other"].metrics["auc"].value is None
    assert [s.dataset for s in document.slices if s.kind == "method"].count("other") == 0
    (by_light,) = document.breakdowns
    assert [group.name for group in by_light.groups] == ["bright", "dark"]
    assert {probe.column: probe.not_compared for probe in document.source_probes} == {
        None: ("faces", "other"),
        "light": ("bright", "dark"),
    }
    assert document.robustness.videos == 2
    assert {p.degradation for p in document.robustness.points} == {
        "jpeg", "h264", "scale", "blur", "noise",
    }  # fmt: skip
    assert document.speed.clips_per_second > 0
    kinds = [(item.label, item.fake_probability > 0.5) for item in document.heatmaps]
    assert 1 < len(kinds) <= 8
    assert all(kinds.count(kind) <= 2 for kind in kinds)
    assert document.datasets[1].left_out[0].reason.startswith("not_a_video")


def test_the_report_lies_beside_it_and_names_what_was_left_out(evaluated):
    html = (evaluated / "report.html").read_text()

    assert "broken &lt;b&gt;.mp4" in html
    assert "not defined" in html
    assert "There are no forged videos" in html
    assert "http://" not in html
    assert "https://" not in html
    assert len(list((evaluated / "mistakes").iterdir())) == html.count('alt="Face from')
    assert len(list((evaluated / "heatmaps").iterdir())) == html.count('alt="A face from')


def test_the_checkpoint_can_be_given_as_an_option_and_the_outcome_is_printed(
    data, tmp_path, capsys
):
    arguments = ["--data", str(data / "faces"), "--workers", "1", "--resamples", "100"]
    arguments += ["--out", str(tmp_path), "--heatmaps", "0"]

    assert main(["evaluate", "--checkpoint", str(MODEL), *arguments]) == 0

    lines = capsys.readouterr().out.splitlines()
    scores, rows = lines[:-3], [json.loads(line) for line in lines[-3:-1]]
    assert lines[-1] == str(tmp_path / "report.html")
    assert len(scores) == 2 * PEOPLE
    assert all(0 <= float(line.split()[0]) <= 1 for line in scores)
    assert [(row["level"], row["real"], row["fake"]) for row in rows] == [
        ("clip", PEOPLE, PEOPLE),
        ("video", PEOPLE, PEOPLE),
    ]
    html = (tmp_path / "report.html").read_text()
    assert "does not say what was trained on" in html
    assert 'id="heatmaps"' not in html
    assert list((tmp_path / "heatmaps").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one checkpoint"),
        ([str(MODEL), "--checkpoint", str(MODEL)], "one checkpoint"),
        ([str(MODEL), "--resamples", "5"], "--resamples 5 is too few"),
        ([str(MODEL), "--robustness", "-1"], "--robustness -1"),
        ([str(MODEL), "--heatmaps", "-1"], "--heatmaps -1"),
        (
            [str(MODEL), "--by", "age"],
            "has the column age; there are apparent_skin, circle, clip, id",
        ),
        ([str(MODEL), "--split", "test"], "has no split test; its metadata names none"),
    ],
)
def test_what_cannot_be_evaluated_is_explained(data, capsys, arguments, message):
    status = main(["evaluate", *arguments, "--data", str(data / "faces"), "--workers", "1"])

    assert status == 2
    assert message in capsys.readouterr().err


def test_the_test_people_have_no_say_in_temperature_and_thresholds(data, tmp_path):
    """Nonsense in place of the test videos changes the figures of the test, and nothing else."""
    settings = VisionSettings(crop_size=48, clip_length=4)
    faces = load_faces(data / "faces", settings, workers=1)
    placed = split_groups((face.video.group for face in faces), Shares(), 0)
    tested = [face for face in faces if placed[face.video.group] is Split.TEST]
    assert tested
    experiment = tmp_path / "experiment.toml"
    experiment.write_text(EXPERIMENT)
    arguments = ["train", str(experiment), "--data", str(data / "faces"), "--workers", "1"]

    assert main([*arguments, "--out", str(tmp_path / "first")]) == 0
    kept = {face.crops_path: face.crops_path.read_bytes() for face in tested}
    for number, face in enumerate(tested):
        crops = np.array(face.load())
        noise = np.random.default_rng(number).integers(0, 256, crops.shape, np.uint8)
        np.save(face.crops_path, noise if face.video.label else np.zeros_like(crops))
    nonsense = {path: path.read_bytes() for path in kept}
    assert main([*arguments, "--out", str(tmp_path / "again")]) == 0
    assert nonsense == {path: path.read_bytes() for path in kept} != kept
    for path, content in kept.items():
        path.write_bytes(content)

    first, again = (load_card(tmp_path / run / "checkpoint") for run in ("first", "again"))
    assert again.weights_sha256 == first.weights_sha256
    assert (again.temperature, again.thresholds) == (first.temperature, first.thresholds)
    assert [e for e in again.evaluations if e.split == "val"] == [
        e for e in first.evaluations if e.split == "val"
    ]


def test_a_prepared_data_set_is_measured_on_what_was_not_learned_from(data, tmp_path):
    prepared, out = tmp_path / "prepared", tmp_path / "out"
    arguments = ["prepare", str(data / "faces"), "--out", str(prepared), "--split", "random"]
    assert main([*arguments, "--workers", "1"]) == 0
    with (prepared / "metadata.csv").open(newline="") as file:
        tested = [row for row in csv.DictReader(file) if row["split"] == "test"]
    assert tested

    arguments = ["evaluate", str(MODEL), "--data", str(prepared), "--out", str(out)]
    assert main([*arguments, "--by", "frames", "--resamples", "100", "--workers", "1"]) == 0

    document = EvaluationDocument.model_validate_json((out / "metrics.json").read_bytes())
    (info,) = document.datasets
    assert info.splits == ("test",)
    assert "random" in info.caution
    assert info.caution in (out / "report.html").read_text()
    measured = next(part.summary for part in document.slices if part.kind == "dataset")
    assert measured.rows == len(tested)
    assert [group.name for group in document.breakdowns[0].groups] == ["5"]
