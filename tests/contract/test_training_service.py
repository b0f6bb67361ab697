"""Training as a service: from `submit` to what the inference workers judge with."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from checkpoints import DEFAULT_CHECKPOINT
from prepared_crops import prepared_crops
from real_services import SeaweedServer, ValkeyServer
from training_service import (
    DATA,
    ENDLESS,
    SMALL,
    TrainingService,
    is_training,
    training_processes,
)

from unmask_inference.settings import InferenceSettings
from unmask_inference.worker import load_models
from unmask_shared.broker import queued_runs
from unmask_shared.errors import ModelVersionTaken
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import ObjectStore
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_trainer.__main__ import main
from unmask_trainer.service.documents import RunStatus
from unmask_trainer.service.errors import RunIsOver


@pytest.fixture
def service(
    tmp_path: Path, job_settings: JobSettings, monkeypatch: pytest.MonkeyPatch
) -> TrainingService:
    """On a local folder."""
    service = TrainingService(tmp_path, StoreSettings(data_dir=tmp_path / "data"), job_settings)
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
    return service


def test_what_is_submitted_is_what_a_worker_judges_with(
    s3_server: SeaweedServer,
    s3_store: ObjectStore,
    job_settings: JobSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = TrainingService(
        tmp_path,
        s3_server.settings(),
        job_settings.model_copy(update={"lease_ttl_s": 3.0, "visibility_timeout_s": 6}),
    )
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
    service.upload()
    run_id = service.submit(version="9.0", activate=True)
    assert service.state(run_id).status is RunStatus.QUEUED

    fractions = []
    with service.worker():
        while (state := service.state(run_id)).outcome is None:
            fractions.append(state.fraction)
            time.sleep(0.1)
        # What only served to go on is erased, from the store and from the disk.
        service.wait_until(lambda: not list(s3_store.keys("training-states/")))
        service.wait_until(lambda: not (service.settings.run_folder(run_id) / "stages").exists())
    assert state.status is RunStatus.COMPLETED, state.outcome
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 3

    assert main(["runs", "watch", run_id]) == 0
    assert main(["runs", "list"]) == 0
    told = capsys.readouterr().out
    assert "1-clips 3: loss" in told
    assert "resnet-lstm 9.0 is published, and is active" in told
    assert f"{run_id}  completed  100%  {DATA}" in told

    models = load_models(
        InferenceSettings(model_dir=DEFAULT_CHECKPOINT, crop_size=32), s3_server.settings()
    )
    card = models.classifier().card
    assert (card.version, card.input_size) == ("9.0", 32)
    assert all(s3_store.exists(f"models/resnet-lstm/9.0/{figure}") for figure in card.figures)
    assert card.figures


# --- Cancelling --------------------------------------------------------------------------------


def test_a_run_that_waits_is_cancelled_at_once(service: TrainingService) -> None:
    service.upload()
    run_id = service.submit()

    assert main(["runs", "cancel", run_id]) == 0

    assert service.state(run_id).status is RunStatus.CANCELLED
    service.runner().run(run_id)  # its message is still there
    assert not service.settings.run_folder(run_id).exists()
    assert service.sweeper.sweep() == []
    with pytest.raises(RunIsOver):
        service.submissions.cancel(run_id)


def test_a_run_is_cancelled_between_batches_and_publishes_nothing(
    service: TrainingService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.upload()
    run_id = service.submit(*ENDLESS)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(service.runner().run, run_id)
        service.wait_for(run_id, is_training)
        # A copy of the message is dropped while the run goes on.
        service.runner().run(run_id)
        assert len(training_processes(run_id)) == 1

        assert not service.submissions.cancel(run_id)
        asked_at = time.monotonic()
        running.result(30)

    assert time.monotonic() - asked_at < 10
    assert service.state(run_id).status is RunStatus.CANCELLED
    assert training_processes(run_id) == []
    assert not list(service.store.keys("models/"))
    assert not list(service.store.keys("training-states/"))
    assert main(["runs", "watch", run_id]) == 2
    assert "cancelled" in capsys.readouterr().err


# --- Runs that cannot succeed ------------------------------------------------------------------


def test_training_that_cannot_succeed_fails_once_and_says_what_to_do(
    service: TrainingService,
) -> None:
    service.upload()
    service.upload("reals", labels=(0,))
    runner = service.runner()
    for code, words, run_id in (
        ("invalid_experiment", "lacks one of the classes", service.submit(data="reals")),
        (
            "training_diverged",
            "lower the learning rate",
            service.submit("stages.0.epochs=1", "stages.0.optimiser.learning_rate=1e30"),
        ),
    ):
        runner.run(run_id)
        outcome = service.state(run_id).outcome
        assert outcome is not None
        assert outcome.status is RunStatus.FAILED
        assert outcome.failure is not None
        assert (outcome.failure.code, outcome.failure.retryable) == (code, False)
        assert words in outcome.failure.detail
        assert outcome.failure.action
    assert not list(service.store.keys("models/"))


def test_a_data_set_that_is_gone_fails_the_run(service: TrainingService) -> None:
    service.upload()
    run_id = service.submit()
    service.store.delete_prefix(f"datasets/{DATA}/")

    service.runner().run(run_id)

    outcome = service.state(run_id).outcome
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == "dataset_not_found"


def test_what_cannot_be_run_is_not_accepted(
    service: TrainingService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.upload()
    toml = tmp_path / "experiment.toml"
    toml.write_text("[model]\ntrunk = 'resnet9000'\n")
    assert main(["submit", str(toml), "--data", DATA]) == 2
    assert "model.trunk" in capsys.readouterr().err
    toml.write_text("")
    for arguments, words in (
        (["--data", "nowhere"], "nowhere"),
        (["--data", "../secret"], "cannot be the name"),
        (["--data", DATA, "--version", "1/2"], "1/2"),
        (["--data", DATA, "--set", "hardware.nodes=2"], "torchrun"),
    ):
        assert main(["submit", str(toml), *arguments]) == 2
        assert words in capsys.readouterr().err
    ModelRegistry(service.store).publish("resnet-lstm", "1.0", {"card.json": toml})
    with pytest.raises(ModelVersionTaken):
        service.submit(version="1.0")
    assert service.runs.ids() == []
    assert main(["runs", "show", "../../x"]) == 2
    assert "no training run" in capsys.readouterr().err


def test_the_commands_upload_and_submit(
    service: TrainingService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = prepared_crops(tmp_path / "made")
    assert main(["upload", str(folder), "--name", "crops"]) == 0
    assert "crops: 58 files" in capsys.readouterr().out

    monkeypatch.setattr("sys.stdin", io.StringIO(SMALL))
    assert main(["submit", "-", "--data", "crops", "--set", "seed=5", "--version", "3.0"]) == 0

    run_id = capsys.readouterr().out.strip()
    record = service.state(run_id).record
    assert (record.experiment, record.changes) == (SMALL, ("seed=5",))
    assert (record.data, record.version, record.activate) == (("crops",), "3.0", False)
    assert queued_runs(service.celery) == {run_id}


def test_a_run_is_accepted_while_the_queue_is_away(
    service: TrainingService, valkey: ValkeyServer
) -> None:
    service.upload()
    with valkey.stopped():
        run_id = service.submit()
    assert service.state(run_id).status is RunStatus.QUEUED
    assert service.sweeper.sweep() == [run_id]


# --- Runs that are begun again -----------------------------------------------------------------


def test_a_run_that_never_gets_further_fails_after_some_starts(service: TrainingService) -> None:
    service.upload()
    run_id = service.submit()

    def kill_when_there(stop: threading.Event) -> None:
        while not stop.is_set():
            for process in training_processes(run_id):
                process.kill()
            time.sleep(0.02)

    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_when_there, stop)
        for _ in range(service.settings.trainer_max_attempts):
            service.runner().run(run_id)
            assert service.state(run_id).outcome is None
        service.runner().run(run_id)
        stop.set()
        killing.result()

    outcome = service.state(run_id).outcome
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == "training_crashed"
    assert "started 3 times" in outcome.failure.detail
    assert "killed by signal 9" in outcome.failure.detail


def test_runs_that_nobody_works_on_are_queued_again(service: TrainingService) -> None:
    service.upload()
    run_id, other = service.submit(), service.submit()
    assert service.sweeper.sweep() == []  # their messages are in the broker

    service.celery.control.purge()
    assert service.jobs.acquire_lease(other, "a worker", 30)
    assert service.sweeper.sweep() == [run_id]
    assert service.sweeper.sweep() == []
    service.jobs.release_lease(other, "a worker")
    assert service.sweeper.sweep() == [other]


def test_a_worker_that_is_told_to_stop_counts_no_start(service: TrainingService) -> None:
    service.upload()
    service.settings = service.settings.model_copy(update={"trainer_stop_patience_s": 0.1})
    run_id = service.submit(*ENDLESS)
    for _ in range(service.settings.trainer_max_attempts + 1):
        stopping = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(service.runner(stopping).run, run_id)
            while not training_processes(run_id):
                assert not running.done()
                time.sleep(0.02)
            stopping.set()
            running.result(30)
    assert service.state(run_id).outcome is None
