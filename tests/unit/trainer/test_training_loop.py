"""Training learns, stops, keeps its best epoch, and goes on exactly where it was."""

import math
from pathlib import Path

import pytest
import torch
from labelled_crops import labelled_crops
from lightning_fabric import Fabric

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.figures import draw_curves
from unmask_trainer.training.errors import RunPaused, TrainingDiverged
from unmask_trainer.training.feeding import FeedSettings, make_feed
from unmask_trainer.training.loop import FitSettings, fit
from unmask_trainer.training.objectives import ClipObjective, FrameObjective
from unmask_trainer.training.optimisation import EarlyStopping, make_descent
from unmask_trainer.training.plan import PlanSettings
from unmask_trainer.training.samples import Batch, Samples, SampleSettings
from unmask_trainer.training.settings import AugmentationSettings, OptimiserSettings
from unmask_trainer.training.units import units_of

ARCHITECTURE = Architecture(lstm_hidden=8, dropout=0.3)


# --- Early stopping ----------------------------------------------------------------------------


def test_training_stops_after_as_many_fruitless_epochs_as_it_has_patience():
    stopping = EarlyStopping(patience=3)
    losses = [0.9, 0.7, 0.8, 0.75, 0.71]

    verdicts = [(stopping.improves(loss), stopping.exhausted) for loss in losses]

    assert verdicts == [(True, False), (True, False), (False, False), (False, False), (False, True)]


def test_a_better_epoch_gives_new_patience():
    stopping = EarlyStopping(patience=2)

    for loss in (0.9, 1.0, 0.8, 1.0):
        stopping.improves(loss)

    assert not stopping.exhausted


def test_an_equal_loss_is_no_improvement_and_neither_is_nan():
    stopping = EarlyStopping(patience=2)
    stopping.improves(0.5)

    assert not stopping.improves(0.5)
    assert not stopping.improves(math.nan)
    assert stopping.exhausted


# --- The loop ----------------------------------------------------------------------------------


class Silent:
    """Says nothing, and may end the run after a number of batches."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.batches: list[tuple[int, int, int]] = []
        self.records = []
        self._stop_after = stop_after

    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None:
        self.batches.append((epoch, batch, batches))
        if len(self.batches) == self._stop_after:
            raise Interrupted

    def on_epoch(self, record) -> None:
        self.records.append(record)


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    return {
        "train": labelled_crops(folder / "train", people=12, seed=1),
        "val": labelled_crops(folder / "val", people=4, seed=2),
    }


def run(faces, folder: Path, watcher, *, kind="clips", epochs=3, seed=0, precision=None, **changes):
    """One stage on tiny clips; the objective and its records."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    model = ResNetLSTM(ARCHITECTURE)
    transform, options = CropTransform(), {"class_weights": (1.0, 1.0), "label_smoothing": 0.05}
    objective = (
        ClipObjective(model, transform, **options)
        if kind == "clips"
        else FrameObjective(model, transform, mask_weight=1.0, **options)
    )
    samples = [
        Samples(
            units_of(faces[part], "set"),
            FreshForgeries(faces[part], margin=0.15),
            SampleSettings(
                window=2 if kind == "clips" else 1,
                margin=0.15,
                short_clips="mask",
                side=None,
                augmentation=AugmentationSettings(codec=0) if part == "train" else None,
            ),
        )
        for part in ("train", "val")
    ]
    optimiser = OptimiserSettings(**{"learning_rate": 1e-3, **changes.pop("optimiser", {})})
    feed = make_feed(
        *samples,
        PlanSettings(balance="pairs", fresh=changes.pop("fresh", 0.0), repeats={}, seed=seed),
        FeedSettings(batch_size=8, loaders=changes.pop("loaders", 0), pinned=False),
    )
    descent = make_descent(objective, objective.trunk(), optimiser, steps=3 * epochs)
    settings = FitSettings(
        **{
            "name": f"1-{kind}",
            "folder": folder,
            "epochs": epochs,
            "patience": 3,
            "monitor": "loss",
            "gradient_norm": 5.0,
            "seed": seed,
            "save_every_s": 300.0,
            **changes,
        }
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    return objective, fit(fabric, objective, descent, feed, settings, watcher=watcher)


@pytest.fixture(scope="module")
def whole(faces, tmp_path_factory):
    """A run that nobody interrupts."""
    watcher = Silent()
    folder = tmp_path_factory.mktemp("whole")
    objective, records = run(faces, folder, watcher, epochs=4)
    return folder, objective, records, watcher


def test_the_loop_learns_what_can_be_learnt(whole):
    _, _, records, _ = whole

    assert [record.epoch for record in records] == [1, 2, 3, 4]
    assert records[-1].train_loss < 0.7 * records[0].train_loss
    assert max(record.val_auc for record in records) > 0.9
    assert records[-1].val_auc_of == {"set": records[-1].val_auc}
    assert records[-1].learning_rate < records[0].learning_rate
    assert all(0 <= record.waited <= 1 and record.clips_per_second > 0 for record in records)


def test_the_watcher_sees_every_batch_and_every_epoch(whole):
    _, _, records, watcher = whole

    assert watcher.batches == [(epoch, batch, 3) for epoch in range(1, 5) for batch in (1, 2, 3)]
    assert watcher.records == records


def test_the_objective_ends_with_the_weights_of_its_best_epoch(whole):
    folder, objective, _, _ = whole
    best = torch.load(folder / "best.pt", weights_only=True)

    assert all(torch.equal(mine, best[name]) for name, mine in objective.state_dict().items())


@pytest.mark.parametrize("batches", [1, 4, 6, 8])
def test_an_interrupted_run_gives_the_curve_and_weights_of_a_whole_one(
    faces, whole, tmp_path, batches
):
    with pytest.raises(Interrupted):
        run(faces, tmp_path, Silent(batches), epochs=4, save_every_s=1e-9)
    objective, records = run(faces, tmp_path, Silent(), epochs=4)

    _, expected, expected_records, _ = whole
    assert [record.curve() for record in records] == [record.curve() for record in expected_records]
    for name, tensor in expected.state_dict().items():
        assert torch.equal(objective.state_dict()[name], tensor), name


class Pausing(Silent):
    """Ends the run at a batch, and wants it saved."""

    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None:
        try:
            super().on_batch(epoch=epoch, batch=batch, batches=batches)
        except Interrupted as interrupted:
            raise RunPaused from interrupted


def test_a_run_that_is_paused_loses_no_batch(faces, whole, tmp_path):
    with pytest.raises(RunPaused):
        run(faces, tmp_path, Pausing(5), epochs=4)
    rest = Silent()
    _, records = run(faces, tmp_path, rest, epochs=4)

    assert rest.batches == whole[3].batches[5:]
    assert [record.curve() for record in records] == [record.curve() for record in whole[2]]


def test_a_finished_stage_is_not_trained_again(faces, whole):
    folder, _, expected, _ = whole
    watcher = Silent()

    _, records = run(faces, folder, watcher, epochs=4)

    assert records == expected
    assert watcher.batches == []


def test_other_seeds_give_other_curves(faces, whole, tmp_path):
    _, records = run(faces, tmp_path, Silent(), epochs=1, seed=1)

    assert records[0].train_loss != whole[2][0].train_loss


def test_readers_in_other_processes_give_the_same_curve(faces, whole, tmp_path):
    _, records = run(faces, tmp_path, Silent(), epochs=4, loaders=2)

    assert [record.curve() for record in records] == [record.curve() for record in whole[2]]


def test_a_stage_on_frames_teaches_the_trunk_and_leaves_the_rest_alone(faces, tmp_path):
    torch.manual_seed(0)
    before = ResNetLSTM(ARCHITECTURE).state_dict()

    objective, records = run(faces, tmp_path, Silent(), kind="frames", epochs=4)

    changed = {
        name
        for name, tensor in objective.model_trunk.state_dict().items()
        if not torch.equal(tensor, before[f"trunk.{name}"])
    }
    assert "conv1.weight" in changed
    assert {name.split(".")[0] for name in objective.state_dict()} == {
        "model_trunk",
        "label_head",
        "mask_head",
    }
    assert records[-1].train_loss < records[0].train_loss


def test_a_stage_leaves_nothing_in_the_network_that_later_stages_would_feed():
    """A hook that stays keeps the maps of every later batch, until memory is full."""
    model = ResNetLSTM(ARCHITECTURE)
    objective = FrameObjective(
        model, CropTransform(), class_weights=(1.0, 1.0), label_smoothing=0.0, mask_weight=1.0
    )
    crops = torch.zeros(2, 1, 64, 64, 3, dtype=torch.uint8)
    masks, ones = torch.zeros(2, 4, 4), torch.ones(2, dtype=torch.int64)

    objective(Batch(crops=crops, lengths=ones, labels=ones, masks=masks, units=ones))

    assert not any(module._forward_hooks for module in model.modules())


def test_in_mixed_precision_the_weights_stay_single_and_learn(faces, whole, tmp_path):
    objective, records = run(faces, tmp_path, Silent(), epochs=2, precision="bf16-mixed")

    assert {tensor.dtype for tensor in objective.parameters()} == {torch.float32}
    assert records[-1].train_loss < records[0].train_loss
    assert records[0].train_loss != whole[2][0].train_loss
    assert records[0].train_loss == pytest.approx(whole[2][0].train_loss, abs=0.1)


def test_a_frozen_trunk_does_not_move(faces, tmp_path):
    torch.manual_seed(0)
    before = ResNetLSTM(ARCHITECTURE).state_dict()

    objective, _ = run(faces, tmp_path, Silent(), epochs=1, optimiser={"trunk_factor": 0.0})

    after = objective.model.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved
    assert not [name for name in moved if name.startswith("trunk.")]


def test_a_loss_that_is_never_a_number_is_told(faces, tmp_path):
    with pytest.raises(TrainingDiverged, match="learning rate"):
        run(faces, tmp_path, Silent(), epochs=1, optimiser={"learning_rate": 1e30})


# --- Curves ------------------------------------------------------------------------------------


def test_curves_are_drawn_as_pictures(whole, tmp_path):
    paths = draw_curves(whole[2], tmp_path / "figures")

    assert [path.name for path in paths] == ["loss.png", "accuracy.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_curves_of_a_single_epoch_are_drawn_too(whole, tmp_path):
    assert len(draw_curves(whole[2][:1], tmp_path)) == 2
