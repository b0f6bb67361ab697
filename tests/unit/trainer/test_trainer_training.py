import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_model

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.datasets.clips import ClipDataset
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.figures import draw_curves
from unmask_trainer.training import EarlyStopping, EpochRecord, TrainingSettings, train

SIDE = 32


# --- Early stopping ----------------------------------------------------------------------------


def test_training_stops_after_as_many_fruitless_epochs_as_it_has_patience():
    stopping = EarlyStopping(3)
    losses = [0.9, 0.7, 0.8, 0.75, 0.71]

    verdicts = [(stopping.improves(loss), stopping.exhausted) for loss in losses]

    assert verdicts == [(True, False), (True, False), (False, False), (False, False), (False, True)]


def test_a_better_epoch_gives_new_patience():
    stopping = EarlyStopping(2)

    for loss in (0.9, 1.0, 0.8, 1.0):
        stopping.improves(loss)

    assert not stopping.exhausted


def test_an_equal_loss_is_no_improvement_and_neither_is_nan():
    stopping = EarlyStopping(2)
    stopping.improves(0.5)

    assert not stopping.improves(0.5)
    assert not stopping.improves(math.nan)
    assert stopping.exhausted


# --- The loop ----------------------------------------------------------------------------------


def make_clips(folder: Path, count: int, seed: int) -> ClipDataset:
    """Videos whose fakes are brighter in the middle: anything that learns at all learns that."""
    rng = np.random.default_rng(seed)
    faces = []
    for number in range(count):
        for label, name in enumerate(("real", "fake")):
            crops = rng.integers(60, 120, (8, SIDE, SIDE, 3), np.uint8)
            crops[:, 10:22, 10:22] += np.uint8(90 * label)
            path = folder / f"{seed}-{number}-{label}.npy"
            np.save(path, crops)
            video = LabelledVideo(
                path=folder / name / f"{number}.mp4", label=label, group=str(number)
            )
            faces.append(FaceClips(video=video, crops_path=path, clips=((0, 8),)))
    return ClipDataset(faces, CropTransform(), window=2, augmented=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    model = ResNetLSTM(Architecture(lstm_hidden=8, dropout=0.0))
    history = train(
        model,
        make_clips(folder, 12, seed=1),
        make_clips(folder, 4, seed=2),
        TrainingSettings(epochs=4, batch_size=8, learning_rate=1e-3),
        device=torch.device("cpu"),
        out=folder,
    )
    return folder, model, history


def test_the_loop_learns_what_can_be_learnt(run):
    _, _, history = run

    assert [record.epoch for record in history] == [1, 2, 3, 4]
    assert history[-1].train_loss < 0.5 * history[0].train_loss
    assert max(record.val_accuracy for record in history) == 1.0


def test_the_model_ends_with_the_weights_of_its_best_epoch(run):
    folder, model, _ = run
    best = ResNetLSTM(model.architecture)
    load_model(best, str(folder / "best.safetensors"))

    assert (folder / "last.safetensors").exists()
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(
            model.state_dict().values(), best.state_dict().values(), strict=True
        )
    )


def test_curves_are_drawn_as_pictures(run, tmp_path):
    _, _, history = run

    paths = draw_curves(history, tmp_path / "figures")

    assert [path.name for path in paths] == ["loss.png", "accuracy.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_curves_of_a_single_epoch_are_drawn_too(tmp_path):
    record = EpochRecord(
        epoch=1, train_loss=1, train_accuracy=0, val_loss=1, val_accuracy=0, seconds=1
    )

    assert len(draw_curves([record], tmp_path)) == 2
