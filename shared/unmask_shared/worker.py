"""What both workers have in common: a Celery worker that runs one stage and says it is alive."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, Literal

from celery import Celery, Task
from celery.exceptions import Ignore
from celery.signals import (
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)

from unmask_shared.errors import DependencyUnavailable
from unmask_shared.healthcheck import worker_name
from unmask_shared.job_store import WORKER_TTL_S, RedisJobStore
from unmask_shared.messages import QUEUE_OF_TASK, StageMessage
from unmask_shared.processes import die_with_parent
from unmask_shared.stages import StageEnd
from unmask_shared.subject import about
from unmask_shared.tracing import carried_headers, continued_from, span, start_tracing, stop_tracing

log = logging.getLogger(__name__)

RunStage = Callable[[str], StageEnd]

_LONGEST_PAUSE_S = 8


def register_stage(celery: Celery, name: str, run: RunStage) -> None:
    """Register a stage as a Celery task.

    What the stage raises is tried again after a pause that doubles: dependencies come back, and
    for anything else the stage itself counts the attempts and ends the video when they are used up.

    Args:
        celery: The application of the worker.
        name: Name of the task, from `unmask_shared.messages`.
        run: Runs the stage for the video with this id.
    """

    @celery.task(name=name, bind=True, max_retries=None, shared=False)
    def stage(self: "Task[Any, Any]", /, **payload: Any) -> None:
        video_id = StageMessage.model_validate(payload).video_id
        with about(video_id=video_id), continued_from(self.request), span(name, kind="consumer"):
            pause_s, headers = _pause_s(self), carried_headers()
            try:
                end = run(video_id)
            except DependencyUnavailable as error:
                log.warning("%s waits: %s", name, error.detail)
                raise self.retry(exc=error, countdown=pause_s, headers=headers) from error
            except Exception as error:
                log.exception("%s failed", name)
                raise self.retry(exc=error, countdown=pause_s, headers=headers) from error
        if end is StageEnd.STOP:
            raise Ignore  # ends the chain here


def run_worker(
    celery: Celery,
    *,
    role: str,
    task: str,
    pool: Literal["prefork", "threads"],
    concurrency: int,
    jobs: RedisJobStore,
) -> None:
    """Work on the queue of a task until told to stop by SIGTERM or SIGINT.

    Args:
        celery: The application, with the stage registered.
        role: Name under which the worker announces itself, shown by `/readyz`.
        task: The task whose queue is worked on.
        pool: `prefork` for a child process that may crash, `threads` where CUDA lives.
        concurrency: Videos that are worked on at the same time.
        jobs: Where the worker announces itself.
    """
    # Celery keeps only weak references to signal handlers, hence the names.
    stopped = threading.Event()
    announcer = threading.Thread(target=_announce, args=(jobs, role, stopped), daemon=True)

    def on_ready(**_: object) -> None:
        log.info("%s worker is ready", role)
        announcer.start()

    def on_shutdown(**_: object) -> None:
        stopped.set()

    def on_child_start(**_: object) -> None:
        die_with_parent()
        start_tracing(role)  # its thread does not survive a fork

    def on_child_end(**_: object) -> None:
        stop_tracing()

    worker_ready.connect(on_ready)
    worker_shutting_down.connect(on_shutdown)
    worker_process_init.connect(on_child_start)
    worker_process_shutdown.connect(on_child_end)
    worker = celery.Worker(
        queues=[QUEUE_OF_TASK[task]],
        pool=pool,
        concurrency=concurrency,
        hostname=f"{role}@{socket.gethostname()}-{os.getpid()}",
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()


def _announce(jobs: RedisJobStore, role: str, stopped: threading.Event) -> None:
    name = worker_name()
    while not stopped.is_set():
        try:
            jobs.announce_worker(role, name)
        except DependencyUnavailable as error:
            log.warning("%s", error.detail)
        stopped.wait(WORKER_TTL_S / 3)
    try:
        jobs.retire_worker(role, name)
    except DependencyUnavailable as error:
        log.warning("%s", error.detail)


def _pause_s(task: "Task[Any, Any]") -> int:
    retries = int(task.request.retries)
    return _LONGEST_PAUSE_S if retries > 3 else 1 << retries
