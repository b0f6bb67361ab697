"""What goes wrong in a chaos run: one fault after the other, chosen by a seeded generator.

Each fault is over when its method returns, so the run can stop between any two; a generator inside
yields whenever the caller may look after the stack.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
from breakable_stack import BreakableStack

from unmask_shared.broker import make_celery
from unmask_shared.errors import DependencyUnavailable
from unmask_shared.job_store import make_job_store
from unmask_shared.settings import JobSettings
from unmask_shared.sweeper import enqueue

Fault = Callable[[], Iterator[None]]


class Faults:
    """Breaks a stack."""

    def __init__(
        self, stack: BreakableStack, rng: random.Random, accepted: Callable[[], list[str]]
    ) -> None:
        """Prepare to break things.

        Args:
            stack: What is broken.
            rng: Chooses.
            accepted: Ids of the videos so far, of which messages are sent once more.
        """
        self._stack = stack
        self._rng = rng
        self._accepted = accepted
        self.count: Counter[str] = Counter()
        self._weighted: dict[Fault, int] = {
            self.kill_a_worker: 6,
            self.kill_a_child_of_the_preprocessor: 3,
            self.kill_the_gateway: 3,
            self.end_a_part: 2,
            self.freeze_a_worker: 3,
            self.kill_valkey: 3,
            self.lose_redis: 2,
            self.freeze_the_store: 3,
            self.kill_the_store: 1,
            self.slow_the_store: 3,
            self.cut_connections: 4,
            self.send_messages_twice: 4,
        }

    def one(self) -> None:
        """Let something go wrong, and wait until it is over."""
        [fault] = self._rng.choices(list(self._weighted), list(self._weighted.values()))
        self.count[fault.__name__] += 1
        for _ in fault():
            self._stack.tend()
            time.sleep(0.05)

    def pause(self, least_s: float, most_s: float) -> Iterator[None]:
        end = time.monotonic() + self._rng.uniform(least_s, most_s)
        while time.monotonic() < end:
            yield

    def _worker(self) -> str:
        return self._rng.choice(["preprocessor", "preprocessor", "inference"])

    def kill_a_worker(self) -> Iterator[None]:
        self._stack.parts[self._worker()].kill()
        yield

    def kill_a_child_of_the_preprocessor(self) -> Iterator[None]:
        """The pool's process, the sandbox's, or a decoder: whatever there is."""
        with suppress(psutil.NoSuchProcess):
            if children := self._stack.parts["preprocessor"].process.children(recursive=True):
                self._rng.choice(children).kill()
        yield

    def kill_the_gateway(self) -> Iterator[None]:
        self._stack.parts["gateway"].kill()
        yield

    def end_a_part(self) -> Iterator[None]:
        part = self._stack.parts[self._rng.choice(["gateway", "preprocessor", "inference"])]
        part.send(signal.SIGTERM)
        yield from self.pause(1, 3)

    def freeze_a_worker(self) -> Iterator[None]:
        """Sometimes for longer than its lease: it wakes up beside another one."""
        with suppress(psutil.NoSuchProcess), self._stack.parts[self._worker()].frozen():
            yield from self.pause(0.5, 5)

    def kill_valkey(self) -> Iterator[None]:
        self._stack.valkey.kill()
        yield from self.pause(0, 3)
        self._stack.valkey.run()

    def lose_redis(self) -> Iterator[None]:
        self._stack.lose_redis()
        yield

    def freeze_the_store(self) -> Iterator[None]:
        with self._stack.s3.frozen():
            yield from self.pause(1, 6)

    def kill_the_store(self) -> Iterator[None]:
        self._stack.s3.kill()
        yield from self.pause(1, 4)
        self._stack.s3.run()

    def slow_the_store(self) -> Iterator[None]:
        with self._stack.proxy.slow(self._rng.uniform(0.05, 0.3)):
            yield from self.pause(2, 5)

    def cut_connections(self) -> Iterator[None]:
        self._stack.proxy.cut()
        yield

    def send_messages_twice(self) -> Iterator[None]:
        """Of videos at any stage, also of those that have ended."""
        known = self._accepted()
        settings = JobSettings(redis_url=self._stack.valkey.url)
        celery, jobs = make_celery(settings), make_job_store(settings)
        with suppress(DependencyUnavailable):
            for video_id in self._rng.sample(known, min(5, len(known))):
                enqueue(celery, jobs, video_id)
        celery.close()
        jobs.close()
        yield
