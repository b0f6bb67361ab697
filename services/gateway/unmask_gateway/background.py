"""What the gateway does beside answering requests."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from unmask_gateway.housekeeping import Housekeeper
from unmask_gateway.submissions import Submissions
from unmask_gateway.webhooks.dispatcher import WebhookDispatcher
from unmask_shared.errors import DependencyUnavailable
from unmask_shared.object_store import ObjectStore
from unmask_shared.sweeper import Sweeper

log = logging.getLogger(__name__)

_PAUSE_S: Final = 5.0
_LATE_PAUSE_S: Final = 1.0
_STOP_PATIENCE_S: Final = 1.0


@contextmanager
def running_in_background(
    *,
    store: ObjectStore,
    submissions: Submissions,
    sweeper: Sweeper,
    housekeeper: Housekeeper,
    webhooks: WebhookDispatcher | None,
) -> Iterator[None]:
    """Prepare the store, queue late videos, sweep lost ones, send webhooks and keep house.

    None of it holds up the start: what they need may come up later than the gateway.
    """
    stop = threading.Event()
    works: dict[str, Callable[[threading.Event], None]] = {
        "prepare-store": lambda stop: _prepare(store, stop),
        "announcer": lambda stop: _announce_late(submissions, stop),
        "sweeper": lambda stop: _keep_running(sweeper.run, stop),
        "housekeeper": lambda stop: _keep_running(housekeeper.run, stop),
    }
    if webhooks is not None:
        works["webhooks"] = lambda stop: _keep_running(webhooks.run, stop)
    threads = [
        threading.Thread(target=work, args=(stop,), name=name, daemon=True)
        for name, work in works.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_STOP_PATIENCE_S)


def _prepare(store: ObjectStore, stop: threading.Event) -> None:
    """Wait for the object store; an S3 store makes its bucket when it is first checked."""
    while not stop.is_set():
        try:
            store.check()
        except DependencyUnavailable as error:
            log.warning("waiting for the object store: %s", error.detail)
            stop.wait(_PAUSE_S)
        else:
            return


def _announce_late(submissions: Submissions, stop: threading.Event) -> None:
    while not stop.wait(_LATE_PAUSE_S):
        with suppress(DependencyUnavailable):  # it was logged when the video came
            submissions.announce_late()


def _keep_running(work: Callable[[threading.Event], None], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            work(stop)
        except Exception:
            # Without the sweeper videos get lost unseen, so a bug must not end it.
            log.exception("a thread failed and goes on: %s", threading.current_thread().name)
            stop.wait(_PAUSE_S)
