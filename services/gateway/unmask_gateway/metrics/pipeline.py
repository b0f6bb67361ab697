"""What all services have done and what waits for them, read from Redis whenever it is asked for."""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.job_store import (
    BUCKETS_S,
    MARK_ACCEPTED,
    MARK_PREPROCESSED,
    GpuUse,
    JobState,
    RedisJobStore,
    Totals,
)
from unmask_shared.messages import INFERENCE_QUEUE, PREPROCESSOR_QUEUE
from unmask_shared.videos import Status

log = logging.getLogger(__name__)

_QUEUES: Final = (PREPROCESSOR_QUEUE, INFERENCE_QUEUE)
_ROLES: Final = ("preprocessor", "inference")
# Those on which nothing has happened for longest are looked at, so the oldest that waits is one of
# them, unless more than this wait.
_MOST_LOOKED_AT: Final = 200


class PipelineMetrics(Collector):
    """The same in every gateway: take the largest where there are several, not the sum."""

    def __init__(self, jobs: RedisJobStore) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; where Redis is away, only that it is."""
        try:
            metrics = [
                *self._queues(),
                *self._workers(),
                *self._gpus(),
                *_of_totals(self._jobs.counts.totals()),
            ]
        except JobStoreUnavailable as error:
            log.warning("metrics are incomplete: %s", error.detail)
            metrics = []
        up = GaugeMetricFamily("unmask_redis_up", "Whether Redis answered.")
        up.add_metric([], float(bool(metrics)))
        yield from [up, *metrics]

    def describe(self) -> Iterator[Metric]:
        """Name nothing beforehand, so that registering asks Redis nothing."""
        yield from ()

    def _queues(self) -> Iterator[Metric]:
        length = GaugeMetricFamily(
            "unmask_queue_messages", "Messages that no worker has taken yet.", labels=["queue"]
        )
        age = GaugeMetricFamily(
            "unmask_queue_oldest_seconds",
            "How long the video has waited that has waited longest; 0 when none waits.",
            labels=["queue"],
        )
        now, oldest = time.time(), dict.fromkeys(_QUEUES, 0.0)
        for video_id in self._jobs.active(idle_s=0)[:_MOST_LOOKED_AT]:
            if (state := self._jobs.get(video_id)) and (found := _wait_of(state)):
                queue, since = found
                oldest[queue] = max(oldest[queue], now - since)
        for queue in _QUEUES:
            length.add_metric([queue], self._jobs.queue_length(queue))
            age.add_metric([queue], oldest[queue])
        yield from (length, age)

    def _workers(self) -> Iterator[Metric]:
        workers = GaugeMetricFamily("unmask_workers", "Workers that are alive.", labels=["role"])
        for role in _ROLES:
            workers.add_metric([role], self._jobs.live_workers(role))
        yield workers

    def _gpus(self) -> Iterator[Metric]:
        return _gpu_metrics(self._jobs.gpus.of(self._jobs.live_worker_names("inference")))


def _gpu_metrics(uses: Sequence[GpuUse]) -> Iterator[Metric]:
    used, memory, busy = (
        GaugeMetricFamily(f"unmask_gpu_{name}", text, labels=["host", "device"])
        for name, text in (
            ("memory_used_bytes", "Memory of a GPU that is taken, by whatever process."),
            ("memory_bytes", "All memory of a GPU."),
            ("busy_ratio", "Share of the last moments in which a GPU computed."),
        )
    )
    for use in uses:
        place = [use.host, str(use.device)]
        used.add_metric(place, use.memory_used_bytes)
        memory.add_metric(place, use.memory_bytes)
        if use.busy is not None:
            busy.add_metric(place, use.busy)
    yield from (used, memory, busy)


def _wait_of(state: JobState) -> tuple[str, float] | None:
    """The queue in which a video waits, and since when; None while it is worked on."""
    if not state.waiting:
        return None
    if MARK_PREPROCESSED in state.marks:
        return INFERENCE_QUEUE, state.marks[MARK_PREPROCESSED]
    if MARK_ACCEPTED in state.marks:
        return PREPROCESSOR_QUEUE, state.marks[MARK_ACCEPTED]
    return None


def _of_totals(totals: Totals) -> Iterator[Metric]:
    videos = CounterMetricFamily(
        "unmask_videos",
        "Videos that came to their end, by status and the code of their failure.",
        labels=["status", "code"],
    )
    # Present from the start, so that the first failure is a change.
    none_yet = {(status, ""): 0 for status in Status if status.is_final}
    for (status, code), count in sorted((none_yet | dict(totals.outcomes)).items()):
        videos.add_metric([status, code], count)
    stages = HistogramMetricFamily(
        "unmask_stage_duration_seconds",
        "How long runs of a stage took that came to an end.",
        labels=["stage"],
    )
    for stage, runs in sorted(totals.stages.items()):
        bounds = zip(map(str, BUCKETS_S), runs.up_to, strict=True)
        stages.add_metric([stage], [*bounds, ("+Inf", runs.count)], runs.sum_s)
    sweeps = CounterMetricFamily("unmask_sweeps", "Runs of the sweeper.")
    sweeps.add_metric([], totals.sweeps)
    requeued = CounterMetricFamily(
        "unmask_requeued_videos", "Videos that the sweeper queued again: nobody worked on them."
    )
    requeued.add_metric([], totals.requeued)
    yield from (videos, stages, sweeps, requeued)
