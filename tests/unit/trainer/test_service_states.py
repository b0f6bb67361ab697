"""The state of a run in the object store, and how far it is."""

import json
from pathlib import Path

import pytest
import torch

from unmask_shared.errors import ObjectStoreUnavailable
from unmask_shared.object_store import LocalObjectStore
from unmask_trainer.service.documents import Phase
from unmask_trainer.service.exchange import Order, Orders, Told, read_progress_file
from unmask_trainer.service.leftovers import drop_states, states_prefix
from unmask_trainer.service.reporting import Reporter
from unmask_trainer.service.states import (
    TRAINED_FILE,
    Position,
    RunStates,
    known_epochs,
    position_of,
)
from unmask_trainer.training.errors import RunPaused
from unmask_trainer.training.records import EpochRecord
from unmask_trainer.training.settings import ClipStage, FrameStage

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"


def record(stage: str, epoch: int) -> EpochRecord:
    return EpochRecord(
        stage=stage,
        epoch=epoch,
        train_loss=0.5,
        train_accuracy=0.5,
        val_loss=0.5,
        val_accuracy=0.5,
        val_auc=None,
        val_auc_of={},
        learning_rate=0.1,
        seconds=1.0,
        waited=0.0,
        clips_per_second=1.0,
    )


def train(folder: Path, *, done: int, epochs: int, batch: int = 0) -> Path:
    """Files as training writes them: a stage that is done, and perhaps one that is not."""
    first = folder / "stages" / "1-frames"
    first.mkdir(parents=True, exist_ok=True)
    (folder / "initial.safetensors").write_text("initial")
    (first / "done.json").write_text(
        json.dumps([record("1-frames", number + 1).document() for number in range(done)])
    )
    for name in ("weights.safetensors", "last.ckpt", "best.pt"):
        (first / name).write_text(name)
    second = folder / "stages" / "2-clips"
    second.mkdir(exist_ok=True)
    history = [record("2-clips", number + 1).document() for number in range(epochs)]
    torch.save({"progress": {"history": history, "batch": batch}}, second / "last.ckpt")
    (second / "best.pt").write_text(f"best of {epochs}")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / RUN


def test_positions_tell_which_state_is_further(folder):
    assert position_of(folder) == Position(False, 0, 0)
    train(folder, done=2, epochs=1, batch=7)
    assert position_of(folder) == Position(False, 3, 7)
    assert [(one.stage, one.epoch) for one in known_epochs(folder)] == [
        ("1-frames", 1),
        ("1-frames", 2),
        ("2-clips", 1),
    ]
    (folder / TRAINED_FILE).touch()
    assert Position(True, 3, 0) < position_of(folder)
    assert Position(False, 9, 0) < position_of(folder)


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (None, "best of 2"),
        ({"done": 2, "epochs": 1, "batch": 5}, "best of 2"),
        ({"done": 2, "epochs": 2, "batch": 5}, "here"),
        ({"done": 2, "epochs": 3}, "here"),
    ],
)
def test_a_run_goes_on_from_the_state_that_is_further(
    local_store: LocalObjectStore, folder, tmp_path, here, expected
):
    states = RunStates(local_store, RUN, train(tmp_path / "another host", done=2, epochs=2))
    states.keep(wait=True)
    states.close()
    if here is not None:
        train(folder, **here)
        (folder / "stages" / "2-clips" / "best.pt").write_text("here")

    RunStates(local_store, RUN, folder).restore()

    assert (folder / "stages" / "2-clips" / "best.pt").read_text() == expected
    # Of a stage that is done, nothing is kept but its weights and its curve.
    if expected != "here":
        assert not (folder / "stages" / "1-frames" / "best.pt").exists()
        assert (folder / "stages" / "1-frames" / "weights.safetensors").exists()


def test_a_stored_state_that_is_damaged_is_passed_over(local_store, folder, tmp_path):
    RunStates(local_store, RUN, train(tmp_path / "other", done=1, epochs=2)).keep(wait=True)
    [victim, *_] = local_store.keys(f"{states_prefix(RUN)}objects/")
    local_store.put(victim, b"damaged", content_type="")
    train(folder, done=1, epochs=1)

    RunStates(local_store, RUN, folder).restore()

    assert position_of(folder) == Position(False, 2, 0)


def test_a_store_that_is_away_does_not_end_training(folder, tmp_path, caplog):
    store = LocalObjectStore(tmp_path / "store")
    states = RunStates(store, RUN, train(folder, done=1, epochs=1))
    (tmp_path / "store").rename(tmp_path / "unmounted")
    states.keep(wait=True)
    assert "could not be stored" in caplog.text
    with pytest.raises(ObjectStoreUnavailable):
        store.check()
    (tmp_path / "unmounted").rename(tmp_path / "store")
    states.keep(wait=True)
    assert store.exists(f"{states_prefix(RUN)}manifest.json")


def test_at_the_end_only_what_people_want_is_left(local_store, folder):
    RunStates(local_store, RUN, train(folder, done=1, epochs=1)).keep(wait=True)
    (folder / "history.json").touch()
    drop_states(local_store, RUN, folder)
    assert [path.name for path in folder.iterdir()] == ["history.json"]
    assert list(local_store.keys("training-states/")) == []


def test_progress_never_goes_back(local_store, folder):
    folder.mkdir(parents=True)
    stages = (FrameStage(epochs=2), ClipStage(epochs=4))
    states = RunStates(local_store, RUN, folder)
    reporter = Reporter(folder, stages, Orders(), states, fraction=0.3)

    def told() -> float:
        progress = read_progress_file(folder)
        assert progress is not None
        return progress.fraction

    reporter.on_epoch(record("1-frames", 1))
    assert told() == 0.3  # as far as the run was before
    train(folder, done=2, epochs=0)
    reporter.on_epoch(record("2-clips", 1))
    half = told()
    assert half == pytest.approx(0.05 + 0.85 * 3 / 6)
    # A worker that lost a state begins earlier.
    again = Reporter(folder, stages, Orders(), states, fraction=half)
    again.on_epoch(record("2-clips", 1))
    assert told() == half
    states.close()


class Ordered(Orders):
    """Somebody has given an order."""

    @property
    def last(self) -> Order:
        return Order.CANCEL

    def obey(self) -> None:
        raise Told(self.last)


def test_an_order_that_comes_before_publishing_is_obeyed_after_it_was_told(local_store, folder):
    folder.mkdir(parents=True)
    states = RunStates(local_store, RUN, folder)
    reporter = Reporter(folder, (ClipStage(),), Ordered(), states, fraction=0.0)
    with pytest.raises(Told):
        reporter.begin(Phase.PUBLISHING)
    # Whoever gave it and now looks must see that it may not be ended by force.
    progress = read_progress_file(folder)
    assert progress is not None
    assert progress.phase is Phase.PUBLISHING
    with pytest.raises(RunPaused):
        reporter.on_batch(epoch=1, batch=1, batches=2)
