"""A worker that dies, or is told to stop, in the middle of a run: another one goes on with it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prepared_crops import prepared_crops
from training_service import DATA, SMALL, TrainingService, is_training, training_processes

from unmask_shared.model_registry import ModelRegistry
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_trainer.service.documents import RunStatus
from unmask_trainer.service.leftovers import states_prefix
from unmask_trainer.service.submissions import RunState
from unmask_trainer.training.records import EpochRecord


@pytest.fixture
def service(tmp_path: Path, job_settings: JobSettings) -> TrainingService:
    settings = job_settings.model_copy(update={"lease_ttl_s": 2.0, "visibility_timeout_s": 4})
    service = TrainingService(tmp_path, StoreSettings(data_dir=tmp_path / "data"), settings)
    service.upload()
    return service


def curve(service: TrainingService, run_id: str) -> list[dict[str, object]]:
    progress = service.state(run_id).progress
    assert progress is not None
    return [EpochRecord.of(record).curve() for record in progress.epochs]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The curve of the same run, by the command for one machine."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "small.toml").write_text(SMALL)
    command = [sys.executable, "-m", "unmask_trainer", "train", folder / "small.toml"]
    command += ["--data", prepared_crops(folder / DATA), "--out", folder / "run"]
    subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        stderr=subprocess.DEVNULL,
    )
    records = json.loads((folder / "run" / "history.json").read_text())
    return [EpochRecord.of(record).curve() for record in records]


def has_epoch(state: RunState) -> bool:
    return state.progress is not None and len(state.progress.epochs) > 0


@pytest.mark.parametrize("volume", ["kept", "lost"])
def test_a_run_survives_the_death_of_its_worker(
    service: TrainingService, undisturbed: list[dict[str, object]], volume: str
) -> None:
    run_id = service.submit(activate=True)
    with service.worker() as worker:
        service.wait_for(run_id, has_epoch)
        service.wait_until(lambda: service.store.exists(f"{states_prefix(run_id)}manifest.json"))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        service.wait_until(lambda: not training_processes(run_id), limit_s=10)
    before = service.state(run_id)
    assert before.outcome is None, "the run ended before its worker could be killed"

    if volume == "lost":
        service.new_volume()
    with service.worker():
        state = service.wait_for_end(run_id)

    assert state.status is RunStatus.COMPLETED, state.outcome
    assert state.fraction >= before.fraction
    assert curve(service, run_id) == undisturbed
    assert ModelRegistry(service.store).versions() == [("resnet-lstm", "0.0.0")]


def test_a_worker_that_is_told_to_stop_saves_its_run_for_another_one(
    service: TrainingService, undisturbed: list[dict[str, object]]
) -> None:
    run_id = service.submit()
    with service.worker() as worker:
        service.wait_for(run_id, is_training)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert training_processes(run_id) == []
    before = service.state(run_id)
    assert before.outcome is None, "the run ended before its worker could be stopped"
    assert service.store.exists(f"{states_prefix(run_id)}manifest.json")

    service.new_volume()
    with service.worker():
        state = service.wait_for_end(run_id)

    assert state.status is RunStatus.COMPLETED, state.outcome
    assert curve(service, run_id) == undisturbed
