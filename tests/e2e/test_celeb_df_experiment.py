"""The shipped experiment on Celeb-DF v1, run dry on a small folder with its true file names."""

import csv
import json
from pathlib import Path

import pytest
import torch
from dataset_trees import celeb_df

from unmask_shared.model.checkpoint import load_checkpoint
from unmask_trainer.__main__ import main
from unmask_trainer.configuration import read_experiment

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "celeb_df_v1.toml"
# What a machine without a network, a GPU and hours of time needs to see that everything runs.
DRY = [
    'initialisation={kind = "scratch"}',
    "stages.0.epochs=1",
    "stages.0.window=4",
    'hardware={accelerator = "cpu", loaders = 0}',
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_experiment_says_what_the_first_design_says():
    experiment = read_experiment(EXPERIMENT)

    (stage,) = experiment.stages
    assert experiment.crops.size == 112
    assert experiment.model.trunk.startswith("resnet")
    assert stage.kind == "clips"
    assert stage.optimiser.kind == "adam"
    assert stage.patience == 3


def test_it_goes_from_the_raw_folder_to_a_measured_checkpoint(tmp_path, capsys):
    raw = celeb_df(tmp_path / "Celeb-DF", distinct=True)
    data, run = tmp_path / "celeb_df_v1", tmp_path / "run"

    prepare = ["prepare", str(raw), "--out", str(data), "--layout", "celeb-df", "--split", "random"]
    prepare += ["--crop-size", "112"]
    assert main(prepare) == 0
    train = ["train", str(EXPERIMENT), "--data", str(data), "--out", str(run)]
    assert main([*train, *(f"--set={change}" for change in DRY)]) == 0
    report = tmp_path / "report"
    evaluate = ["evaluate", "--checkpoint", str(run / "checkpoint"), "--data", str(data)]
    assert main([*evaluate, "--split", "test", "--out", str(report), "--resamples", "100"]) == 0

    card = load_checkpoint(run / "checkpoint").card
    assert card.name == "resnet-lstm-celeb-df-v1"
    assert any("trained on, too" in row.note for row in card.evaluations)
    with (data / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    parts = {row["split"] for row in rows if row["path"].startswith("YouTube-real")}
    assert parts == {"false-positive-check"}
    trained = card.training_data.videos_real + card.training_data.videos_fake
    assert trained == sum(row["split"] == "train" and row["status"] == "ok" for row in rows)
    assert json.loads((report / "metrics.json").read_text())
    assert (report / "report.html").is_file()
