"""The live view of every video, in Redis: where it stands, who works on it, what came out.

The object store is the truth; all of this can be rebuilt from it.
"""

from unmask_shared.job_store.catalogue import (
    SCAN_BUDGET,
    Page,
    Position,
    VideoSummary,
    Wanted,
)
from unmask_shared.job_store.counts import BUCKETS_S, Totals
from unmask_shared.job_store.gpus import GpuUse
from unmask_shared.job_store.playbacks import Grant
from unmask_shared.job_store.redis_store import WORKER_TTL_S, RedisJobStore, make_job_store
from unmask_shared.job_store.room import Room, Want
from unmask_shared.job_store.state import (
    MARK_ACCEPTED,
    MARK_INFERRING,
    MARK_PREPROCESSED,
    MARK_PREPROCESSING,
    JobState,
    timings_of,
)

__all__ = [
    "BUCKETS_S",
    "MARK_ACCEPTED",
    "MARK_INFERRING",
    "MARK_PREPROCESSED",
    "MARK_PREPROCESSING",
    "SCAN_BUDGET",
    "WORKER_TTL_S",
    "GpuUse",
    "Grant",
    "JobState",
    "Page",
    "Position",
    "RedisJobStore",
    "Room",
    "Totals",
    "VideoSummary",
    "Want",
    "Wanted",
    "make_job_store",
    "timings_of",
]
