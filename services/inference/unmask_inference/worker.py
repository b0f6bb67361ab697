"""Composition root of the inference worker: `python -m unmask_inference.worker`."""

import logging
import sys
from dataclasses import replace

from celery import Celery

from unmask_inference.batcher import MicroBatcher
from unmask_inference.classifiers import ClassifierMaker
from unmask_inference.gpu_use import telling_gpu_use
from unmask_inference.loaded import LoadedModels
from unmask_inference.model_in_use import BuiltIn, ModelInUse
from unmask_inference.published import CropForm, PublishedModels
from unmask_inference.settings import InferenceSettings
from unmask_inference.tasks import FaceClassification
from unmask_shared.broker import make_celery
from unmask_shared.errors import DependencyUnavailable, InvalidCheckpoint
from unmask_shared.healthcheck import worker_name
from unmask_shared.job_store import make_job_store
from unmask_shared.logs import configure_logging
from unmask_shared.messages import CLASSIFY_FACES
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import JobSettings, LogSettings, StoreSettings
from unmask_shared.tracing import start_tracing, stop_tracing
from unmask_shared.worker import register_stage, run_worker

log = logging.getLogger(__name__)


def load_models(settings: InferenceSettings, store_settings: StoreSettings) -> ModelInUse:
    """Load the built-in checkpoint and, if one is activated, the published one.

    Raises:
        InvalidCheckpoint: The built-in checkpoint is missing, damaged, or cannot be run.
    """
    maker = ClassifierMaker.of(settings)
    built_in = maker.make(load_checkpoint(settings.model_dir))
    log.info("%s %s is loaded on %s", built_in.card.name, built_in.card.version, maker.device)
    form = CropForm.of(built_in.card)
    if settings.crop_size is not None:
        form = replace(form, size=settings.crop_size)
    if settings.crop_margin is not None:
        form = replace(form, margin=settings.crop_margin)
    store = make_object_store(store_settings)
    registry = ModelRegistry(store)
    published = PublishedModels(registry, form=form, maker=maker)
    worker = worker_name()
    models = ModelInUse(
        registry,
        LoadedModels(registry, published, kept=settings.models_kept, worker=worker),
        built_in=BuiltIn(classifier=built_in, folder=settings.model_dir),
        worker=worker,
    )
    try:
        store.check()  # which makes the bucket, if this is the first service to ask for it
        models.look()
    except DependencyUnavailable as error:
        log.warning("the first job will look which model is active: %s", error.detail)
    return models


def build_app(
    settings: InferenceSettings,
    models: ModelInUse,
    batcher: MicroBatcher,
    job_settings: JobSettings,
    store_settings: StoreSettings,
) -> Celery:
    """Build the Celery application with the stage that uses the models."""
    classification = FaceClassification(
        store=make_object_store(store_settings),
        jobs=make_job_store(job_settings),
        job_settings=job_settings,
        choose_classifier=models.classifier_for,
        batcher=batcher,
        limits=settings.quality_limits(),
        heatmaps_per_face=settings.heatmaps_per_face,
    )
    celery = make_celery(job_settings)
    register_stage(celery, CLASSIFY_FACES, classification.run)
    return celery


def main() -> int:
    """Run the worker until it is told to stop.

    Returns:
        The exit code.
    """
    settings, job_settings, store_settings = InferenceSettings(), JobSettings(), StoreSettings()
    configure_logging("inference", LogSettings())
    start_tracing("inference")
    try:
        models = load_models(settings, store_settings)
    except InvalidCheckpoint as error:
        log.critical("%s %s", error.detail, error.action)
        return 1
    batcher = MicroBatcher(max_clips=settings.batch_size, max_wait_s=settings.batch_wait_ms / 1000)
    jobs = make_job_store(job_settings)
    with batcher, models.following(every_s=settings.model_poll_s), telling_gpu_use(jobs):
        run_worker(
            build_app(settings, models, batcher, job_settings, store_settings),
            role="inference",
            task=CLASSIFY_FACES,
            # CUDA does not survive a fork, so the network runs in a thread of this process.
            pool="threads",
            concurrency=settings.inference_jobs,
            jobs=jobs,
        )
    stop_tracing()
    return 0


if __name__ == "__main__":
    sys.exit(main())
