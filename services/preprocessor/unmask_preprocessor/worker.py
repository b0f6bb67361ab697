"""Composition root of the preprocessor: `python -m unmask_preprocessor.worker`."""

import functools
import threading

from celery import Celery
from celery.signals import worker_process_init

from unmask_preprocessor.settings import PreprocessorSettings
from unmask_preprocessor.tasks import FaceExtraction
from unmask_shared.broker import make_celery
from unmask_shared.job_store import make_job_store
from unmask_shared.logs import configure_logging
from unmask_shared.messages import EXTRACT_FACES
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import JobSettings, LogSettings, StoreSettings
from unmask_shared.stages import StageEnd
from unmask_shared.vision.sandboxed import SandboxedExtraction
from unmask_shared.worker import register_stage, run_worker


def build_app(
    settings: PreprocessorSettings, job_settings: JobSettings, store_settings: StoreSettings
) -> Celery:
    """Build the Celery application with the stage that this worker runs.

    Raises:
        ValueError: The settings contradict each other.
    """
    settings.check_stage_time_limit(job_settings)

    @functools.cache
    def faces() -> SandboxedExtraction:
        return SandboxedExtraction(
            settings.vision(), settings.sandbox_limits(), syscall_filter=settings.syscall_filter
        )

    @functools.cache
    def extraction() -> FaceExtraction:
        # Built by each child process for itself: connections do not survive a fork.
        return FaceExtraction(
            store=make_object_store(store_settings),
            jobs=make_job_store(job_settings),
            job_settings=job_settings,
            vision=settings.vision(),
            faces=faces(),
            landmark_overlays=settings.landmark_overlays,
        )

    def run(video_id: str) -> StageEnd:
        return extraction().run(video_id)

    def load_models(**_: object) -> None:
        # In a thread: Celery waits seconds for its children, and loading may take longer.
        threading.Thread(target=faces().start, name="load-models", daemon=True).start()

    worker_process_init.connect(load_models, weak=False)
    celery = make_celery(job_settings)
    register_stage(celery, EXTRACT_FACES, run)
    return celery


def main() -> None:
    """Run the worker until it is told to stop."""
    settings, job_settings = PreprocessorSettings(), JobSettings()
    configure_logging("preprocessor", LogSettings())
    run_worker(
        build_app(settings, job_settings, StoreSettings()),
        role="preprocessor",
        task=EXTRACT_FACES,
        pool="prefork",
        concurrency=settings.preprocessor_concurrency,
        jobs=make_job_store(job_settings),
    )


if __name__ == "__main__":
    main()
