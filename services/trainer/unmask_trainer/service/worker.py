"""Composition root of the training worker: `python -m unmask_trainer worker`."""

import logging
import threading
from typing import Any

from celery import Celery
from celery.signals import worker_shutting_down

from unmask_shared.broker import make_celery
from unmask_shared.errors import DependencyUnavailable
from unmask_shared.job_store import make_job_store
from unmask_shared.logs import configure_logging
from unmask_shared.messages import TRAIN_CHECKPOINT, TrainingMessage
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import JobSettings, LogSettings, StoreSettings
from unmask_shared.worker import run_worker
from unmask_trainer.service.runner import TrainingRunner
from unmask_trainer.service.settings import TrainerSettings
from unmask_trainer.service.submissions import enqueue_run
from unmask_trainer.service.sweeper import RunSweeper

log = logging.getLogger(__name__)


def build_app(
    settings: TrainerSettings,
    job_settings: JobSettings,
    store_settings: StoreSettings,
    stopping: threading.Event,
) -> Celery:
    """Build the Celery application with the task that trains.

    Args:
        settings: Where to train.
        job_settings: Queue and leases.
        store_settings: Where runs, data sets and models are.
        stopping: Set when the worker is to end.
    """
    celery = make_celery(job_settings)
    runner = TrainingRunner(
        store=make_object_store(store_settings),
        jobs=make_job_store(job_settings),
        settings=settings,
        lease_ttl_s=job_settings.lease_ttl_s,
        stopping=stopping,
    )

    @celery.task(name=TRAIN_CHECKPOINT, shared=False)
    def train_checkpoint(**payload: Any) -> None:
        run_id = TrainingMessage.model_validate(payload).run_id
        # A message that ends with a run that is open is no loss: the sweeper sends another.
        try:
            runner.run(run_id)
            if stopping.is_set():
                enqueue_run(celery, run_id)  # for the next worker, which need not wait for that
        except DependencyUnavailable as error:
            log.warning("the run waits: %s", error.detail, extra={"run_id": run_id})

    return celery


def main() -> None:
    """Train what is submitted, one run at a time, until told to stop."""
    settings, job_settings, store_settings = TrainerSettings(), JobSettings(), StoreSettings()
    configure_logging("trainer", LogSettings())
    stopping = threading.Event()

    def on_shutdown(**_: object) -> None:
        stopping.set()

    worker_shutting_down.connect(on_shutdown)
    celery = build_app(settings, job_settings, store_settings, stopping)
    jobs = make_job_store(job_settings)
    sweeper = RunSweeper(store=make_object_store(store_settings), jobs=jobs, celery=celery)
    threading.Thread(
        target=sweeper.run,
        args=(stopping,),
        kwargs={"every_s": settings.trainer_sweep_s},
        name="sweeper",
        daemon=True,
    ).start()
    run_worker(
        celery,
        role="trainer",
        task=TRAIN_CHECKPOINT,
        # Nothing but waiting happens here: training has a process of its own.
        pool="threads",
        concurrency=1,
        jobs=jobs,
    )
