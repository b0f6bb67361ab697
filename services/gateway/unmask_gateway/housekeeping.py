"""Chores that one of all gateways does from time to time."""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from unmask_shared.errors import DependencyUnavailable
from unmask_shared.job_store import RedisJobStore

log = logging.getLogger(__name__)

_PAUSE_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Chore:
    """Something to do again and again.

    Attributes:
        name: What Redis and the log call it.
        every_s: Seconds from one time to the next.
        work: Does it; returns how many things there were to do.
    """

    name: str
    every_s: float
    work: Callable[[], int]


class Housekeeper:
    """Does chores; any number may run, one at a time acts."""

    def __init__(self, jobs: RedisJobStore, chores: Sequence[Chore]) -> None:
        self._jobs = jobs
        self._chores = chores
        self._name = uuid.uuid4().hex

    def do_what_is_due(self) -> None:
        """Do what was not done lately, by anyone.

        Raises:
            DependencyUnavailable: Redis or the object store does not answer.
        """
        if not self._jobs.take_turn("housekeeper", self._name, _PAUSE_S * 3):
            return
        for chore in self._chores:
            if self._jobs.is_done(f"chore-{chore.name}"):
                continue
            count = chore.work()
            self._jobs.note_done(f"chore-{chore.name}", chore.every_s)
            if count:
                log.info("%s: %d", chore.name, count)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; dependencies that are down are waited for."""
        while not stop.is_set():
            try:
                self.do_what_is_due()
            except DependencyUnavailable as error:
                log.warning("chores wait: %s", error.detail)
            stop.wait(_PAUSE_S)
