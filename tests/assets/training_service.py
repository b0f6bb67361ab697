"""A training service for tests: real stores, real processes, tiny runs."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from prepared_crops import CROPS, prepared_crops

from unmask_shared.broker import make_celery
from unmask_shared.job_store import make_job_store
from unmask_shared.object_store import make_object_store
from unmask_shared.processes import die_with_parent
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_trainer.service.documents import RunStatus
from unmask_trainer.service.runner import TrainingRunner
from unmask_trainer.service.settings import TrainerSettings
from unmask_trainer.service.stored_data import StoredData
from unmask_trainer.service.submissions import RunState, RunStore, Submissions
from unmask_trainer.service.sweeper import RunSweeper

DATA = "invented"
SMALL = f"""
{CROPS}
[model]
lstm_hidden = 8
[[stages]]
kind = "clips"
epochs = 3
batch_size = 2
window = 2
augmentation = {{codec = 0}}
[hardware]
accelerator = "cpu"
loaders = 0
save_every_s = 0.2
"""
# Long enough to be ended by whoever wants to.
ENDLESS = ["stages.0.epochs=1000", "stages.0.patience=1000"]


class TrainingService:
    """What belongs to a training service, but for its workers."""

    def __init__(self, folder: Path, store: StoreSettings, jobs: JobSettings) -> None:
        self.folder = folder
        self.store_settings, self.job_settings = store, jobs
        self.settings = TrainerSettings(trainer_dir=folder / "volume", trainer_poll_s=0.2)
        self.store = make_object_store(store)
        self.store.check()
        self.jobs = make_job_store(jobs)
        self.celery = make_celery(jobs)
        self.runs = RunStore(self.store)
        self.submissions = Submissions(
            store=self.store, jobs=self.jobs, celery=self.celery, lease_ttl_s=jobs.lease_ttl_s
        )
        self.sweeper = RunSweeper(store=self.store, jobs=self.jobs, celery=self.celery)

    def environment(self) -> dict[str, str]:
        """What workers, and the processes that train, are told."""
        store, jobs = self.store_settings, self.job_settings
        return {
            "UNMASK_OBJECT_STORE": store.object_store,
            "UNMASK_DATA_DIR": str(store.data_dir),
            "UNMASK_S3_ENDPOINT": store.s3_endpoint,
            "UNMASK_S3_BUCKET": store.s3_bucket,
            "UNMASK_S3_ACCESS_KEY": store.s3_access_key.get_secret_value(),
            "UNMASK_S3_SECRET_KEY": store.s3_secret_key.get_secret_value(),
            "UNMASK_REDIS_URL": jobs.redis_url.get_secret_value(),
            "UNMASK_LEASE_TTL_S": str(jobs.lease_ttl_s),
            "UNMASK_VISIBILITY_TIMEOUT_S": str(jobs.visibility_timeout_s),
            "UNMASK_TRAINER_DIR": str(self.settings.trainer_dir),
            "UNMASK_TRAINER_POLL_S": "0.2",
            "UNMASK_TRAINER_SWEEP_S": "0.3",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }

    def upload(self, name: str = DATA, **people: object) -> None:
        """Make a data set and put it into the store."""
        folder = prepared_crops(self.folder / "made" / name, **people)  # type: ignore[arg-type] # passed on
        StoredData(self.store).upload(folder, name)

    def submit(self, *changes: str, data: str = DATA, **more: object) -> str:
        """Submit the tiny experiment."""
        return self.submissions.submit(SMALL, [data], changes=changes, **more).id  # type: ignore[arg-type] # passed on

    def runner(self, stopping: threading.Event | None = None) -> TrainingRunner:
        """What a worker does with a run; the environment has to be set."""
        return TrainingRunner(
            store=self.store,
            jobs=self.jobs,
            settings=self.settings,
            lease_ttl_s=self.job_settings.lease_ttl_s,
            stopping=stopping or threading.Event(),
        )

    def state(self, run_id: str) -> RunState:
        return self.runs.state(run_id)

    def wait_for(
        self, run_id: str, reached: Callable[[RunState], bool], *, limit_s: float = 150.0
    ) -> RunState:
        """Wait until a run has come somewhere."""
        self.wait_until(lambda: reached(self.state(run_id)), limit_s=limit_s)
        return self.state(run_id)

    def wait_until(self, holds: Callable[[], bool], *, limit_s: float = 150.0) -> None:
        """Wait for something that a worker does."""
        deadline = time.monotonic() + limit_s
        while not holds():
            log = self.folder / "worker.log"
            assert time.monotonic() < deadline, log.read_text() if log.exists() else ""
            time.sleep(0.05)

    def wait_for_end(self, run_id: str) -> RunState:
        return self.wait_for(run_id, lambda state: state.outcome is not None)

    def new_volume(self) -> None:
        """Let workers that start from now on find an empty disk."""
        volume = self.folder / f"volume-{time.monotonic_ns()}"
        self.settings = self.settings.model_copy(update={"trainer_dir": volume})

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker as a user would start it; killed at the end of the block."""
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "unmask_trainer", "worker"],
                env=os.environ | self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it makes one system call
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def is_training(state: RunState) -> bool:
    """Whether batches are done, and more are to come."""
    return (
        state.status is RunStatus.RUNNING and state.progress is not None and state.fraction > 0.05
    )


def training_processes(run_id: str) -> list[psutil.Process]:
    """Living processes that train a run."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if run_id in (process.info["cmdline"] or ()) and process.info["status"] != "zombie"
    ]
