"""What has happened so far, counted in Redis by all services together, for whoever watches them.

Workers come and go, and each has processes of its own; so they count here, and any gateway can tell
the sum. When Redis comes back empty they begin anew, as those of a process do with each start.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import redis

from unmask_shared.job_store.connection import Keys, translated
from unmask_shared.videos import Status

BUCKETS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper bounds of the durations that are told apart, in seconds."""

_SEPARATOR: Final = "|"
_BEYOND: Final = "inf"


@dataclass(frozen=True, kw_only=True)
class Durations:
    """How long the runs of a stage took that came to an end.

    Attributes:
        up_to: Number of runs that took no longer than each of `BUCKETS_S`.
        count: Number of all runs.
        sum_s: Seconds of all runs together.
    """

    up_to: tuple[int, ...]
    count: int
    sum_s: float


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Everything that was counted.

    Attributes:
        outcomes: Videos by final status and the code of their failure, which is empty for others.
        stages: Durations by stage.
        sweeps: Runs of the sweeper.
        requeued: Videos that it queued again.
    """

    outcomes: Mapping[tuple[Status, str], int]
    stages: Mapping[Status, Durations]
    sweeps: int
    requeued: int


class Counts:
    """Counts, and tells what was counted.

    Every method raises `JobStoreUnavailable` when the server does not answer.
    """

    def __init__(self, client: "redis.Redis", keys: Keys) -> None:
        self._redis = client
        self._key = keys.counts

    def add_outcome(self, status: Status, code: str = "") -> None:
        """Count a video that has come to its end.

        Args:
            status: A final one.
            code: Of the failure.
        """
        with translated():
            self._redis.hincrby(self._key, _SEPARATOR.join(("outcome", status, code)), 1)

    def add_run(self, stage: Status, seconds: float) -> None:
        """Count a run of a stage that came to an end."""
        bucket = next((str(bound) for bound in BUCKETS_S if seconds <= bound), _BEYOND)
        with translated(), self._redis.pipeline() as pipe:
            pipe.hincrby(self._key, _SEPARATOR.join(("stage", stage, bucket)), 1)
            pipe.hincrbyfloat(self._key, _SEPARATOR.join(("seconds", stage)), seconds)
            pipe.execute()

    def add_sweep(self, *, requeued: int) -> None:
        """Count a run of the sweeper and the videos that it queued again."""
        with translated(), self._redis.pipeline() as pipe:
            pipe.hincrby(self._key, "sweeps", 1)
            pipe.hincrby(self._key, "requeued", requeued)
            pipe.execute()

    def totals(self) -> Totals:
        """Everything that was counted so far."""
        with translated():
            fields = cast("dict[str, str]", self._redis.hgetall(self._key))
        outcomes: dict[tuple[Status, str], int] = {}
        runs: defaultdict[Status, dict[str, int]] = defaultdict(dict)
        for field, value in fields.items():
            kind, _, rest = field.partition(_SEPARATOR)
            first, _, second = rest.partition(_SEPARATOR)
            if kind == "outcome":
                outcomes[Status(first), second] = int(value)
            elif kind == "stage":
                runs[Status(first)][second] = int(value)
        return Totals(
            outcomes=outcomes,
            stages={
                stage: _durations(found, float(fields.get(f"seconds{_SEPARATOR}{stage}", 0)))
                for stage, found in runs.items()
            },
            sweeps=int(fields.get("sweeps", 0)),
            requeued=int(fields.get("requeued", 0)),
        )


def _durations(runs: Mapping[str, int], sum_s: float) -> Durations:
    up_to, so_far = [], 0
    for bound in BUCKETS_S:
        so_far += runs.get(str(bound), 0)
        up_to.append(so_far)
    return Durations(up_to=tuple(up_to), count=sum(runs.values()), sum_s=sum_s)
