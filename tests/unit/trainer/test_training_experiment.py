"""From an experiment's file and data sets to a checkpoint."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from prepared_crops import CROPS, prepared_crops

from unmask_shared.errors import InvalidRequest
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_trainer.__main__ import main
from unmask_trainer.configuration import read_experiment
from unmask_trainer.datasets.records import Part

SMALL = f"""
seed = 3
{CROPS}
[model]
lstm_hidden = 8
[[stages]]
kind = "frames"
epochs = 2
batch_size = 8
fresh = 0.5
optimiser = {{learning_rate = 1e-3}}
augmentation = {{codec = 0}}
[[stages]]
kind = "clips"
epochs = 2
batch_size = 8
window = 2
optimiser = {{learning_rate = 1e-3, trunk_factor = 0.1}}
[hardware]
accelerator = "cpu"
loaders = 0
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared_crops(tmp_path_factory.mktemp("data") / "invented")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("experiment") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def run(data, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    assert main(["train", str(small), "--data", str(data), "--out", str(out)]) == 0
    return out


def history(out: Path) -> list[dict]:
    return json.loads((out / "history.json").read_text())


def curve(out: Path) -> list[dict]:
    times = ("seconds", "waited", "clips_per_second")
    return [
        {name: value for name, value in record.items() if name not in times}
        for record in history(out)
    ]


# --- The run -----------------------------------------------------------------------------------


def test_a_run_ends_with_a_checkpoint_that_can_be_served(run):
    checkpoint = load_checkpoint(run / "checkpoint")

    card = checkpoint.card
    assert (card.input_size, card.clip_length) == (32, 8)
    assert card.training_data.videos_real == card.training_data.videos_fake == 8
    assert card.training_data.manipulations == ("painted",)
    assert "random weights" in card.training_data.description
    assert [(row.split, row.level) for row in card.evaluations] == [
        ("val", "clip"),
        ("val", "video"),
        ("test", "clip"),
        ("test", "video"),
    ]
    assert all((run / "checkpoint" / name).is_file() for name in card.figures)


def test_all_epochs_of_all_stages_are_written_down(run):
    assert [(record["stage"], record["epoch"]) for record in history(run)] == [
        ("1-frames", 1),
        ("1-frames", 2),
        ("2-clips", 1),
        ("2-clips", 2),
    ]
    assert (run / "stages" / "1-frames" / "weights.safetensors").is_file()


def test_tensorboard_finds_the_curves(run):
    (log,) = (run / "tensorboard").glob("events.out.tfevents.*")

    written = log.read_bytes()
    assert all(name in written for name in (b"1-frames/train_loss", b"2-clips/val_auc/invented"))


def test_a_finished_run_is_not_run_again(run, data, small):
    before = (run / "stages" / "2-clips" / "last.ckpt").stat().st_mtime_ns

    assert main(["train", str(small), "--data", str(data), "--out", str(run)]) == 0

    assert (run / "stages" / "2-clips" / "last.ckpt").stat().st_mtime_ns == before
    assert len(history(run)) == 4


@pytest.mark.parametrize("change", ["seed=4", "stages.0.epochs=3"])
def test_another_experiment_does_not_go_on_with_the_weights_of_this_one(
    run, data, small, capsys, change
):
    options = ["train", str(small), "--data", str(data), "--out", str(run), "--set", change]

    assert main(options) == 2

    assert "holds a run with another experiment" in capsys.readouterr().err


def test_other_data_does_not_either(run, small, tmp_path, capsys):
    other = prepared_crops(tmp_path / "invented", {Part.TRAIN: 4, Part.VAL: 2, Part.TEST: 2})

    assert main(["train", str(small), "--data", str(other), "--out", str(run)]) == 2

    assert "holds a run with another data" in capsys.readouterr().err


# --- The stages of an earlier run ---------------------------------------------------------------


def begin_with(earlier: Path, small: Path, data: Path, out: Path, *changes: str) -> int:
    options = ["train", str(small), "--data", str(data), "--out", str(out), "--from", str(earlier)]
    return main([*options, *(part for change in changes for part in ("--set", change))])


def test_stages_of_an_earlier_run_are_not_trained_again_and_lead_to_the_same_weights(
    run, data, small, tmp_path
):
    earlier = tmp_path / "earlier"
    shutil.copytree(run, earlier)
    (earlier / "stages" / "2-clips" / "done.json").unlink()  # as if it had ended in the middle

    assert begin_with(earlier, small, data, tmp_path / "out") == 0

    assert history(tmp_path / "out")[:2] == history(run)[:2]  # with the seconds it took then
    assert curve(tmp_path / "out") == curve(run)
    weights = [
        safetensors.torch.load_file(out / "stages" / "2-clips" / "weights.safetensors")
        for out in (run, tmp_path / "out")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_with_one_more_stage_trains_nothing_else(run, data, small, tmp_path):
    longer = tmp_path / "longer.toml"
    stage = '[[stages]]\nkind = "clips"\nepochs = 1\nbatch_size = 8\nwindow = 2\n[hardware]'
    longer.write_text(SMALL.replace("[hardware]", stage))

    assert begin_with(run, longer, data, tmp_path / "out") == 0

    assert history(tmp_path / "out")[:4] == history(run)
    assert [record["stage"] for record in history(tmp_path / "out")[4:]] == ["3-clips"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed=4", "another seed"),
        ("model.dropout=0.5", "another model"),
        ("stages.0.epochs=3", "its first stage is another one"),
    ],
)
def test_a_run_that_began_in_another_way_is_not_taken_over(
    run, data, small, tmp_path, capsys, change, said
):
    assert begin_with(run, small, data, tmp_path / "out", change) == 2

    assert said in capsys.readouterr().err
    # Nothing is left there that would stand in the way of the right one.
    assert not any(path.is_file() for path in (tmp_path / "out").iterdir() if path.name != ".lock")


def test_a_run_on_other_data_is_not_taken_over(run, small, tmp_path, capsys):
    other = prepared_crops(tmp_path / "invented", {Part.TRAIN: 4, Part.VAL: 2, Part.TEST: 2})

    assert begin_with(run, small, other, tmp_path / "out") == 2

    assert "another data" in capsys.readouterr().err


def test_a_folder_without_a_run_is_not_taken_over(data, small, tmp_path, capsys):
    assert begin_with(tmp_path, small, data, tmp_path / "out") == 2

    assert "holds no run" in capsys.readouterr().err


def test_a_stage_keeps_as_much_of_the_trunk_from_before_it_as_it_is_told(
    data, small, tmp_path, run
):
    options = ["train", str(small), "--data", str(data), "--out", str(tmp_path)]
    assert main([*options, "--set", "stages.1.kept=0.25"]) == 0

    def stage(out: Path, name: str) -> dict[str, torch.Tensor]:
        return safetensors.torch.load_file(out / "stages" / name / "weights.safetensors")

    before, trained = stage(run, "1-frames"), stage(run, "2-clips")
    mixed = stage(tmp_path, "2-clips")
    assert not torch.equal(before["trunk.conv1.weight"], trained["trunk.conv1.weight"])
    for name, tensor in mixed.items():
        kept = 0.25 if name.startswith("trunk.") and tensor.is_floating_point() else 0.0
        expected = trained[name] if not kept else 0.75 * trained[name] + kept * before[name]
        torch.testing.assert_close(tensor, expected, msg=name)


def test_two_processes_train_one_model(data, small, tmp_path, run):
    """Real DDP over gloo, started by the command itself."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [
        sys.executable,
        "-m",
        "unmask_trainer",
        "train",
        small,
        "--data",
        data,
        "--out",
        tmp_path,
        "--set",
        "hardware.devices=2",
        "--set",
        "stages.0.batch_size=4",
        "--set",
        "stages.1.batch_size=4",
    ]

    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if ": loss " in line]
    assert len(told) == 4, "one process speaks for both"
    two, one = history(tmp_path), history(run)
    assert [record["epoch"] for record in two] == [1, 2, 1, 2]
    # Batch norms see other batches, so the curves are alike, not equal; all clips are counted.
    for mine, single in zip(two, one, strict=True):
        assert mine["train_loss"] == pytest.approx(single["train_loss"], abs=0.25)
        assert mine["val_auc"] is not None
    assert load_checkpoint(tmp_path / "checkpoint").card.training_data.videos_real == 8


# --- Data sets ---------------------------------------------------------------------------------


def test_several_data_sets_are_told_apart(data, small, tmp_path):
    real = prepared_crops(
        tmp_path / "photographs", {Part.TRAIN: 4, Part.VAL: 2, Part.TEST: 2}, labels=(0,)
    )
    options = ["--data", str(data), "--data", str(real), "--out", str(tmp_path / "run")]
    changes = [
        'calibrate_on=["invented"]',
        "stages.0.epochs=1",
        "stages.1.epochs=1",
        "stages.0.repeats={invented = 0.5, photographs = 2}",
    ]

    assert main(["train", str(small), *options, *(f"--set={one}" for one in changes)]) == 0

    first, second = history(tmp_path / "run")
    # Forgeries of the photographs are made anew where the stage makes some.
    assert first["val_auc_of"]["photographs"] is not None
    assert second["val_auc_of"]["photographs"] is None
    rows = load_checkpoint(tmp_path / "run" / "checkpoint").card.evaluations
    assert [row.split for row in rows if row.level == "video"] == [
        "calibration",
        "val",
        "val invented",
        "val photographs",
        "test",
        "test invented",
        "test photographs",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (['calibrate_on=["elsewhere"]'], "calibrate_on names ['elsewhere']"),
        (["stages.1.repeats={invented = 0}"], "only one class in the part train"),
        (["initialisation.kind=dlib_face"], "resnet29_face"),
    ],
)
def test_what_does_not_fit_the_data_is_told(data, small, tmp_path, capsys, changes, said):
    options = ["train", str(small), "--data", str(data), "--out", str(tmp_path)]
    quick = ["stages.0.epochs=1", "stages.1.epochs=1"]

    assert main([*options, *(f"--set={one}" for one in quick + changes)]) == 2

    assert said in capsys.readouterr().err


def test_data_of_one_class_is_refused(small, tmp_path, capsys):
    real = prepared_crops(tmp_path / "photographs", labels=(0,))

    assert main(["train", str(small), "--data", str(real), "--out", str(tmp_path / "run")]) == 2

    assert "lacks one of the classes" in capsys.readouterr().err


def test_data_sets_of_one_name_are_refused(data, small, tmp_path, capsys):
    options = ["train", str(small), "--data", str(data), "--data", str(data)]

    assert main([*options, "--out", str(tmp_path)]) == 2

    assert "two data sets are called 'invented'" in capsys.readouterr().err


# --- The file ----------------------------------------------------------------------------------


def test_every_experiment_of_the_repository_can_be_read():
    files = sorted((Path(__file__).parents[3] / "experiments").glob("*.toml"))

    assert files
    for file in files:
        assert read_experiment(file).stages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = 1", "seeds: there is no such setting"),
        ("seed = -1", "seed: Input should be greater than or equal to 0"),
        ('[[stages]]\nkind = "dreams"', "stages.0"),
        ('[[stages]]\nkind = "frames"', "the last stage has to train on clips"),
        ('[[stages]]\nkind = "clips"\nwindow = 17', "a window of 17 frames does not fit"),
        ('[[stages]]\nkind = "clips"\nbatch_size = 3', "multiple of 2"),
        ('[card]\nname = "x"\nauthor = "y"', "card"),
        ("seed = ", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, said):
    path = tmp_path / "wrong.toml"
    path.write_text(text)

    with pytest.raises(InvalidRequest, match=r"wrong\.toml") as caught:
        read_experiment(path)

    assert said in caught.value.detail


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidRequest, match=r"none\.toml cannot be read"):
        read_experiment(tmp_path / "none.toml")


def test_single_settings_can_be_changed_from_the_command_line(small):
    changed = read_experiment(
        small,
        [
            "stages.1.epochs=7",
            "model.trunk=resnet34",
            "stages.0.repeats={a = 2.5}",
            "hardware.precision='bf16-mixed'",
        ],
    )

    assert changed.stages[1].epochs == 7
    assert changed.model.trunk == "resnet34"
    assert changed.stages[0].repeats == {"a": 2.5}
    assert changed.hardware.precision == "bf16-mixed"
    assert changed.stages[0].epochs == 2


@pytest.mark.parametrize("change", ["stages", "stages.9.epochs=1", "seed.deep=1"])
def test_a_change_without_a_place_is_refused(small, change):
    with pytest.raises(InvalidRequest, match=change.split("=")[0]):
        read_experiment(small, [change])
