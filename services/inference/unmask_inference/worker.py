"""Composition root of the inference worker: `python -m unmask_inference.worker`."""

import logging
import sys

import torch
from celery import Celery

from unmask_inference.settings import InferenceSettings
from unmask_inference.tasks import FaceClassification
from unmask_shared.broker import make_celery
from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.job_store import make_job_store
from unmask_shared.logs import configure_logging
from unmask_shared.messages import CLASSIFY_FACES
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import JobSettings, LogSettings, StoreSettings
from unmask_shared.worker import register_stage, run_worker

log = logging.getLogger(__name__)


def build_app(
    settings: InferenceSettings, job_settings: JobSettings, store_settings: StoreSettings
) -> Celery:
    """Load the checkpoint and build the Celery application with the stage that uses it.

    Raises:
        InvalidCheckpoint: When the checkpoint is missing or damaged.
    """
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    device = best_device() if settings.device == "auto" else torch.device(settings.device)
    classifier = ClipClassifier(
        load_checkpoint(settings.model_dir), device, batch_size=settings.batch_size
    )
    log.info("%s %s is loaded on %s", classifier.card.name, classifier.card.version, device)
    classification = FaceClassification(
        store=make_object_store(store_settings),
        jobs=make_job_store(job_settings),
        job_settings=job_settings,
        classifier=classifier,
    )
    celery = make_celery(job_settings)
    register_stage(celery, CLASSIFY_FACES, classification.run)
    return celery


def main() -> int:
    """Run the worker until it is told to stop.

    Returns:
        The exit code.
    """
    settings, job_settings = InferenceSettings(), JobSettings()
    configure_logging("inference", LogSettings())
    try:
        celery = build_app(settings, job_settings, StoreSettings())
    except InvalidCheckpoint as error:
        log.critical("%s %s", error.detail, error.action)
        return 1
    run_worker(
        celery,
        role="inference",
        task=CLASSIFY_FACES,
        # CUDA does not survive a fork, so the network runs in a thread of this process.
        pool="threads",
        concurrency=1,
        jobs=make_job_store(job_settings),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
