"""Simulates ten thousand queued videos, with priorities: `python bench/queue_waiting.py`.

The queue is real: every message goes through Celery's broker in a Valkey server, and workers get it
in the order in which the broker hands it out. Time and work are simulated: a video takes as many
seconds as `bench/capacity.py` measured, give or take a third, so that hours pass in seconds.

A newsroom's archive of ten thousand videos comes in bulk, and while it is worked off people send
videos of their own and wait for them. The same is run without priorities, to compare.
"""

import argparse
import heapq
import random
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from kombu import Connection, Producer, Queue
from pydantic import SecretStr
from timing import print_table

from unmask_shared.broker import make_celery
from unmask_shared.messages import BATCH, INFERENCE_QUEUE, INTERACTIVE, PREPROCESSOR_QUEUE
from unmask_shared.settings import JobSettings
from unmask_standalone.valkey import valkey_program

SECONDS_AN_HOUR = 3600.0
SPREAD = 1 / 3
KINDS = {INTERACTIVE: "somebody waits", BATCH: "in bulk"}
START_LIMIT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What comes in.

    Attributes:
        bulk: Videos that are there from the beginning.
        an_hour: Videos that people send in an hour, at random times.
        seed: Of these times, and of how long each video takes.
    """

    bulk: int
    an_hour: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Who works.

    Attributes:
        workers: For each queue, how many take one video at a time.
        seconds: For each queue, how long a video takes on average.
    """

    workers: dict[str, int]
    seconds: dict[str, float]


class RealQueue:
    """The broker as the services use it."""

    def __init__(self, connection: Connection, names: Sequence[str]) -> None:
        channel = connection.channel()
        self._producer = Producer(channel)
        self._queues = {name: Queue(name)(channel) for name in names}
        for queue in self._queues.values():
            queue.declare()

    def put(self, name: str, video: int, priority: int) -> None:
        self._producer.publish({"video": video}, routing_key=name, priority=priority)

    def take(self, name: str) -> int | None:
        """The video that a free worker gets."""
        message = self._queues[name].get(no_ack=True)
        return None if message is None else int(message.payload["video"])


def simulate(
    queue: RealQueue, load: Load, crew: Crew, *, priority_of: Callable[[int], int]
) -> dict[int, list[float]]:
    """Work everything off.

    Args:
        queue: Empty.
        load: What comes in.
        crew: Who works.
        priority_of: Priority in the queue of what has this priority by right.

    Returns:
        For each kind of video the seconds from sending to verdict, as they ended.
    """
    rng = random.Random(load.seed)
    stages = list(crew.workers)
    kinds: list[int] = [BATCH] * load.bulk
    sent_at: list[float] = [0.0] * load.bulk
    free = dict(crew.workers)
    waited: dict[int, list[float]] = defaultdict(list)
    bulk_left = load.bulk
    # Time, number to keep the order, and what happens then.
    events: list[tuple[float, int, str, int]] = []
    numbers = iter(range(10**9))

    def happens(at: float, what: str, video: int) -> None:
        heapq.heappush(events, (at, next(numbers), what, video))

    def enter(stage: str, video: int) -> None:
        queue.put(stage, video, priority_of(kinds[video]))

    def work(stage: str, now: float) -> None:
        while free[stage] and (video := queue.take(stage)) is not None:
            free[stage] -= 1
            seconds = crew.seconds[stage] * rng.uniform(1 - SPREAD, 1 + SPREAD)
            happens(now + seconds, stage, video)

    for video in range(load.bulk):
        enter(stages[0], video)
    happens(rng.expovariate(load.an_hour / SECONDS_AN_HOUR), "sent", -1)
    work(stages[0], 0.0)
    while events:
        now, _, what, video = heapq.heappop(events)
        if what == "sent":
            if bulk_left:
                kinds.append(INTERACTIVE)
                sent_at.append(now)
                enter(stages[0], len(kinds) - 1)
                work(stages[0], now)
                happens(now + rng.expovariate(load.an_hour / SECONDS_AN_HOUR), "sent", -1)
            continue
        free[what] += 1
        position = stages.index(what) + 1
        if position < len(stages):
            enter(stages[position], video)
            work(stages[position], now)
        else:
            waited[kinds[video]].append(now - sent_at[video])
            bulk_left -= kinds[video] == BATCH
        work(what, now)
    return waited


@contextmanager
def empty_broker() -> Iterator[Connection]:
    """A Valkey server of its own, and Celery's connection to it."""
    with tempfile.TemporaryDirectory() as folder:
        program, url = valkey_program(Path(folder))
        server = subprocess.Popen(  # noqa: S603 # the server of the embedded stack
            program.command, env=program.environment, stdin=subprocess.PIPE, text=True
        )
        try:
            assert server.stdin is not None
            server.stdin.write(program.stdin or "")
            server.stdin.close()
            _await_answer(redis.Redis.from_url(url))
            celery = make_celery(JobSettings(redis_url=SecretStr(url)))
            with celery.connection_for_write() as connection:
                yield connection
        finally:
            server.terminate()
            server.wait(START_LIMIT_S)


def _await_answer(client: "redis.Redis") -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def rows_of(name: str, waited: dict[int, list[float]]) -> list[tuple[str, ...]]:
    rows = []
    for kind, title in KINDS.items():
        seconds = sorted(waited[kind])
        spread = statistics.quantiles(seconds, n=20)
        figures = (statistics.median(seconds), spread[18], seconds[-1])
        rows.append((f"{name}: {title}", str(len(seconds)), *map(_time, figures)))
    return rows


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bulk", type=int, default=10_000)
    parser.add_argument("--an-hour", type=float, default=360.0, help="videos that people wait for")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--preprocessors", type=int, default=2)
    parser.add_argument("--inference", type=int, default=1)
    parser.add_argument("--preprocessing-s", type=float, default=0.59, help="by bench/capacity.py")
    parser.add_argument("--inference-s", type=float, default=0.33)
    options = parser.parse_args()
    load = Load(bulk=options.bulk, an_hour=options.an_hour, seed=options.seed)
    crew = Crew(
        workers={PREPROCESSOR_QUEUE: options.preprocessors, INFERENCE_QUEUE: options.inference},
        seconds={
            PREPROCESSOR_QUEUE: options.preprocessing_s,
            INFERENCE_QUEUE: options.inference_s,
        },
    )
    rows: list[tuple[str, ...]] = []
    for name, priority_of in (("one queue", lambda _: BATCH), ("priorities", lambda kind: kind)):
        with empty_broker() as connection:
            queue = RealQueue(connection, list(crew.workers))
            rows += rows_of(name, simulate(queue, load, crew, priority_of=priority_of))
    header = ("from sending to verdict", "videos", "half within", "95 % within", "all within")
    print_table(header, rows)


if __name__ == "__main__":
    main()
