"""The sole right to work on something, held for as long as the work lasts (ADR 0004)."""

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.job_store import RedisJobStore

log = logging.getLogger(__name__)


@contextmanager
def held_lease(
    jobs: RedisJobStore, subject: str, ttl_s: float, *, about: dict[str, str]
) -> Iterator[threading.Event | None]:
    """Hold the lease on a subject while the body runs, renewing it from a thread.

    Args:
        jobs: Keeps the leases.
        subject: Id of what is worked on.
        ttl_s: A holder that is silent for so long has lost it.
        about: What log lines say beside their message.

    Yields:
        An event that is set when the lease went to another worker; None if another one has it.
    """
    owner = uuid.uuid4().hex
    if not jobs.acquire_lease(subject, owner, ttl_s):
        yield None
        return
    done, lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not done.wait(ttl_s / 3):
            with unless_redis_is_away("the lease could not be renewed", about):
                # Also takes it back after Redis forgot it.
                if not jobs.acquire_lease(subject, owner, ttl_s):
                    log.warning("the lease went to another worker", extra=about)
                    lost.set()
                    return

    renewer = threading.Thread(target=renew, name=f"lease-{subject}", daemon=True)
    renewer.start()
    try:
        yield lost
    finally:
        done.set()
        renewer.join()
        with unless_redis_is_away("the lease is left to expire", about):
            jobs.release_lease(subject, owner)


@contextmanager
def unless_redis_is_away(consequence: str, about: dict[str, str]) -> Iterator[None]:
    """Go on without what the body does when Redis does not answer, and say what follows."""
    try:
        yield
    except JobStoreUnavailable as error:
        log.warning("%s: %s", consequence, error.detail, extra=about)
