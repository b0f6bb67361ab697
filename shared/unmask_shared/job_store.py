"""The live view of every video, in Redis: where it stands, who works on it, what came out.

The object store is the truth; all of this can be rebuilt from it. Every change that must be atomic
is one Lua script, so that workers, gateways and the sweeper can act at the same time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

import redis
from pydantic import BaseModel, ConfigDict, Field
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.settings import JobSettings
from unmask_shared.videos import Failure, Status, Timings, VideoRecord, VideoResult

# Finished views expire, since the object store can rebuild them on the next read.
FINISHED_TTL_S = 7 * 24 * 3600

# A worker that has been silent for so long does not count as alive.
WORKER_TTL_S = 15.0

_ORDER = {status: rank for rank, status in enumerate(Status)}

# Moves a view forward: neither its status nor its progress ever goes back, and a final view never
# changes. ARGV: rank, status, progress, now, is_final, ttl, id, then pairs of fields to set.
_ADVANCE = """
local rank = tonumber(redis.call('HGET', KEYS[1], 'rank') or '-1')
if rank >= 3 or tonumber(ARGV[1]) < rank then return 0 end
local before = tonumber(redis.call('HGET', KEYS[1], 'progress') or '0')
local progress = math.max(before, tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'rank', ARGV[1], 'status', ARGV[2], 'progress', tostring(progress))
for i = 8, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
if ARGV[5] == '1' then
  redis.call('ZREM', KEYS[2], ARGV[7])
  redis.call('EXPIRE', KEYS[1], ARGV[6])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[7])
end
return 1
"""

# Runs a command only for the holder of a lease. ARGV: owner, then the new time to live or 0.
_IF_HOLDER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class JobState(BaseModel):
    """The live view of one video."""

    model_config = ConfigDict(frozen=True)

    record: VideoRecord
    status: Status
    progress: Annotated[float, Field(ge=0, le=1)]
    marks: dict[str, float]
    """Unix times at which things happened, by the names of the `MARK_` constants."""
    waiting: bool
    """Whether a message for the next stage lies in the broker."""
    result: VideoResult | None = None
    failure: Failure | None = None


MARK_ACCEPTED = "accepted"
MARK_PREPROCESSING = "preprocessing"
MARK_PREPROCESSED = "preprocessed"
MARK_INFERRING = "inferring"


def timings_of(state: JobState | None) -> Timings:
    """How long the stages took until now, as far as the live view knows."""
    marks = {**(state.marks if state else {}), "now": time.time()}

    def between(start: str, end: str) -> int | None:
        if start not in marks or end not in marks:
            return None
        return max(0, round((marks[end] - marks[start]) * 1000))

    waits = between(MARK_ACCEPTED, MARK_PREPROCESSING), between(MARK_PREPROCESSED, MARK_INFERRING)
    return Timings(
        queued=None if waits[0] is None else waits[0] + (waits[1] or 0),
        preprocessing=between(MARK_PREPROCESSING, MARK_PREPROCESSED),
        inferring=between(MARK_INFERRING, "now"),
    )


class RedisJobStore:
    """Live views in Redis or Valkey.

    Every method raises `JobStoreUnavailable` when the server does not answer.
    """

    def __init__(self, client: "redis.Redis", *, namespace: str = "unmask") -> None:
        self._redis = client
        self._namespace = namespace
        self._advance = client.register_script(_ADVANCE)
        self._if_holder = client.register_script(_IF_HOLDER)

    # --- views -------------------------------------------------------------------------------

    def accept(self, record: VideoRecord) -> None:
        """Make the view of a video: queued, with no message in the broker yet.

        A view that a worker began without its record, since Redis had lost it, is filled in.
        """
        with _translated(), self._redis.pipeline() as pipe:
            pipe.hset(self._view(record.id), "record", record.model_dump_json())
            accepted = record.created_at.timestamp()
            pipe.hset(self._view(record.id), f"at:{MARK_ACCEPTED}", str(accepted))
            pipe.execute()
        self._move(record.id, Status.QUEUED, 0.0, {})

    def get(self, video_id: str) -> JobState | None:
        """Return the view, or None when Redis knows nothing of the video."""
        with _translated():
            fields = cast("dict[str, str]", self._redis.hgetall(self._view(video_id)))
        if "record" not in fields:
            return None
        return JobState(
            record=VideoRecord.model_validate_json(fields["record"]),
            status=Status(fields["status"]),
            progress=float(fields["progress"]),
            marks={
                k.removeprefix("at:"): float(v) for k, v in fields.items() if k.startswith("at:")
            },
            waiting=fields.get("waiting") == "1",
            result=VideoResult.model_validate_json(fields["result"])
            if "result" in fields
            else None,
            failure=Failure.model_validate_json(fields["failure"]) if "failure" in fields else None,
        )

    def set_waiting(self, video_id: str, *, waiting: bool) -> None:
        """Say whether a message for the next stage lies in the broker."""
        with _translated(), self._redis.pipeline() as pipe:
            pipe.hset(self._view(video_id), "waiting", "1" if waiting else "0")
            pipe.zadd(self._active, {video_id: time.time()}, xx=True)
            pipe.execute()

    def advance(
        self, video_id: str, status: Status, progress: float, *, mark: str | None = None
    ) -> bool:
        """Move a view forward; False when it is already further, or final.

        Args:
            video_id: The video.
            status: The stage that it is in now; not a final one.
            progress: Fraction of all work that is done, in [0, 1]; it never goes back.
            mark: Name of an event that happened now.
        """
        return self._move(video_id, status, progress, _mark(mark, time.time()) if mark else {})

    def complete(self, video_id: str, result: VideoResult) -> bool:
        """Close the view with a result; False when it is closed already."""
        return self._move(video_id, Status.COMPLETED, 1.0, {"result": result.model_dump_json()})

    def fail(self, video_id: str, failure: Failure) -> bool:
        """Close the view with a failure; False when it is closed already."""
        return self._move(video_id, Status.FAILED, 0.0, {"failure": failure.model_dump_json()})

    def active(self, *, idle_s: float) -> list[str]:
        """Ids of unfinished videos on which nothing has happened for so many seconds."""
        with _translated():
            ids = self._redis.zrangebyscore(self._active, "-inf", time.time() - idle_s)
        return cast("list[str]", ids)

    # --- leases and attempts -----------------------------------------------------------------

    def acquire_lease(self, video_id: str, owner: str, ttl_s: float) -> bool:
        """Take the sole right to work on a video; False while somebody else has it."""
        with _translated():
            taken = self._redis.set(self._lease(video_id), owner, nx=True, px=int(ttl_s * 1000))
        return bool(taken)

    def renew_lease(self, video_id: str, owner: str, ttl_s: float) -> bool:
        """Keep the right for another while; False when it was lost."""
        with _translated():
            return bool(
                self._if_holder(keys=[self._lease(video_id)], args=[owner, int(ttl_s * 1000)])
            )

    def release_lease(self, video_id: str, owner: str) -> None:
        """Give the right back; nothing happens when it was lost."""
        with _translated():
            self._if_holder(keys=[self._lease(video_id)], args=[owner, 0])

    def is_leased(self, video_id: str) -> bool:
        """Whether a live worker is at this video."""
        with _translated():
            return bool(self._redis.exists(self._lease(video_id)))

    def count_attempt(self, video_id: str, stage: Status, *, by: int = 1) -> int:
        """Count a start of a stage (or take one back) and return how many there were."""
        with _translated():
            return self._redis.hincrby(self._view(video_id), f"attempts:{stage}", by)

    def queue_length(self, queue: str) -> int:
        """Number of messages that no worker has taken yet."""
        with _translated():
            return self._redis.llen(queue)

    # --- workers -----------------------------------------------------------------------------

    def announce_worker(self, role: str, name: str) -> None:
        """Say that a worker of this role is alive; it counts for `WORKER_TTL_S`."""
        with _translated():
            self._redis.zadd(self._workers(role), {name: self._now()})
            self._redis.zremrangebyscore(self._workers(role), "-inf", self._now() - 3600)

    def retire_worker(self, role: str, name: str) -> None:
        """Say that a worker has stopped."""
        with _translated():
            self._redis.zrem(self._workers(role), name)

    def live_workers(self, role: str) -> int:
        """Number of workers of this role that announced themselves lately."""
        with _translated():
            alive_since = self._now() - WORKER_TTL_S
            return self._redis.zcount(self._workers(role), alive_since, "+inf")

    def live_worker_names(self, role: str) -> list[str]:
        """Names of the workers of this role that announced themselves lately."""
        with _translated():
            alive_since = self._now() - WORKER_TTL_S
            names = self._redis.zrangebyscore(self._workers(role), alive_since, "+inf")
        return cast("list[str]", names)

    # --- shared roles ------------------------------------------------------------------------

    def take_turn(self, name: str, owner: str, ttl_s: float) -> bool:
        """Win or keep a role that one process of many may play, such as sweeping."""
        key = f"{self._namespace}:turn:{name}"
        with _translated():
            if self._redis.set(key, owner, nx=True, px=int(ttl_s * 1000)):
                return True
            return bool(self._if_holder(keys=[key], args=[owner, int(ttl_s * 1000)]))

    def check(self) -> None:
        """Return when Redis answers."""
        with _translated():
            self._redis.ping()

    # --- keys --------------------------------------------------------------------------------

    def _view(self, video_id: str) -> str:
        return f"{self._namespace}:video:{video_id}"

    def _lease(self, video_id: str) -> str:
        return f"{self._namespace}:lease:{video_id}"

    def _workers(self, role: str) -> str:
        return f"{self._namespace}:workers:{role}"

    def _now(self) -> float:
        # The server's clock, since workers on other hosts have their own.
        seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1e6

    @property
    def _active(self) -> str:
        return f"{self._namespace}:active"

    def _move(self, video_id: str, status: Status, progress: float, fields: dict[str, Any]) -> bool:
        pairs = [item for pair in fields.items() for item in pair]
        head = [
            min(_ORDER[status], 3),
            status.value,
            progress,
            time.time(),
            int(status.is_final),
            FINISHED_TTL_S,
            video_id,
        ]
        with _translated():
            return bool(self._advance(keys=[self._view(video_id), self._active], args=head + pairs))


def make_job_store(settings: JobSettings) -> RedisJobStore:
    """Build the store that the settings name, without touching the network."""
    return RedisJobStore(
        redis.Redis.from_url(
            settings.redis_url.get_secret_value(),
            decode_responses=True,
            socket_timeout=5,
            socket_connect_timeout=2,
            health_check_interval=30,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=3),
        )
    )


def _mark(name: str, at: float) -> dict[str, float]:
    return {f"at:{name}": at}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise JobStoreUnavailable(f"Redis failed: {type(error).__name__}.") from error
