"""The live views in Redis or Valkey.

Every change that must be atomic is one Lua script, so that workers, gateways and the sweeper can
act at the same time.
"""

from collections.abc import Mapping
from typing import cast

import redis

from unmask_shared.artifacts import VideoInfo
from unmask_shared.job_store import scripts
from unmask_shared.job_store.catalogue import (
    Catalogue,
    place_of,
    summary_of_record,
    summary_of_result,
)
from unmask_shared.job_store.connection import Keys, connect, milliseconds, translated
from unmask_shared.job_store.counts import Counts
from unmask_shared.job_store.gpus import Gpus
from unmask_shared.job_store.playbacks import Playbacks
from unmask_shared.job_store.room import Rooms
from unmask_shared.job_store.state import JobState
from unmask_shared.messages import lists_of
from unmask_shared.settings import JobSettings
from unmask_shared.videos import Failure, Status, VideoRecord, VideoResult

# Finished views expire, since the object store can rebuild them on the next read.
FINISHED_TTL_S = 7 * 24 * 3600

# A worker that has been silent for so long does not count as alive.
WORKER_TTL_S = 15.0

# No message about a video is older, and no worker is at one for longer.
ERASED_TTL_S = 24 * 3600

_FINAL_RANK = 3
_RANK = {status: min(rank, _FINAL_RANK) for rank, status in enumerate(Status)}


class RedisJobStore:
    """Live views in Redis or Valkey.

    Attributes:
        catalogue: Lists the videos.
        counts: What has happened so far.
        gpus: What GPUs are used for.
        playbacks: Who may play which video.
        rooms: What the videos of owners take.

    Every method raises `JobStoreUnavailable` when the server does not answer.
    """

    def __init__(self, client: "redis.Redis", *, namespace: str = "unmask") -> None:
        self._redis = client
        self._keys = Keys(namespace=namespace)
        self.catalogue = Catalogue(client, self._keys)
        self.counts = Counts(client, self._keys)
        self.gpus = Gpus(client, self._keys)
        self.playbacks = Playbacks(client, self._keys)
        self.rooms = Rooms(client, self._keys)
        self._accept = client.register_script(scripts.ACCEPT)
        self._advance = client.register_script(scripts.ADVANCE)
        self._erase = client.register_script(scripts.ERASE)
        self._note = client.register_script(scripts.NOTE)
        self._set_waiting = client.register_script(scripts.SET_WAITING)
        self._acquire = client.register_script(scripts.ACQUIRE)
        self._release = client.register_script(scripts.RELEASE)

    # --- views -------------------------------------------------------------------------------

    def accept(self, record: VideoRecord) -> None:
        """Make the view of a video: queued, with no message in the broker yet.

        A view that a worker began without its record, since Redis had lost it, is filled in.
        """
        with translated():
            self._accept(
                keys=[
                    *self._keys.of_video(record.id),
                    self._keys.catalogue(),
                    *([self._keys.catalogue(record.owner)] if record.owner else []),
                ],
                args=[
                    record.id,
                    record.model_dump_json(),
                    record.created_at.timestamp(),
                    place_of(record),
                    *_pairs(summary_of_record(record)),
                ],
            )

    def get(self, video_id: str) -> JobState | None:
        """Return the view, or None when Redis knows nothing of the video."""
        with translated():
            fields = cast("dict[str, str]", self._redis.hgetall(self._keys.view(video_id)))
        return JobState.of(fields)

    def set_waiting(self, video_id: str, *, waiting: bool, unless_leased: bool = False) -> None:
        """Say whether a message for the next stage lies in the broker.

        Counts as something that happened on the video. Nothing is said of a view that is closed.

        Args:
            video_id: The video.
            waiting: Whether there is a message.
            unless_leased: Say nothing when a worker has the video, for whoever sent a message that
                may have been taken meanwhile.
        """
        keys = [self._keys.view(video_id), self._keys.active]
        if unless_leased:
            keys.append(self._keys.lease(video_id))
        with translated():
            self._set_waiting(keys=keys, args=[video_id, int(waiting)])

    def advance(
        self, video_id: str, status: Status, progress: float, *, mark: str | None = None
    ) -> bool:
        """Move a view forward; False when it is already further, or final.

        Args:
            video_id: The video.
            status: The stage that it is in now; not a final one.
            progress: Fraction of all work that is done, in [0, 1]; it never goes back.
            mark: Name of an event that happened now.

        Raises:
            ValueError: The status is final, or the progress is no fraction.
        """
        if status.is_final or not 0 <= progress <= 1:
            raise ValueError(f"not a step of a video: {status}, progress {progress}")
        return self._move(video_id, status, progress, mark=mark)

    def note_info(self, video_id: str, info: VideoInfo) -> None:
        """Tell what decoding found out, before there is a result; nothing happens to closed views.

        When Redis loses it, nobody is told before the result.
        """
        with translated():
            self._note(keys=[self._keys.view(video_id)], args=["info", info.model_dump_json()])

    def complete(self, video_id: str, result: VideoResult) -> bool:
        """Close the view with a result; False when it is closed already."""
        return self._move(
            video_id,
            Status.COMPLETED,
            1.0,
            summary=summary_of_result(result),
            result=result.model_dump_json(),
        )

    def fail(self, video_id: str, failure: Failure) -> bool:
        """Close the view with a failure; False when it is closed already."""
        return self._move(video_id, Status.FAILED, 0.0, failure=failure.model_dump_json())

    def cancel(self, video_id: str) -> bool:
        """Close the view at the sender's wish; False when it is closed already."""
        return self._move(video_id, Status.CANCELLED, 0.0)

    def is_final(self, video_id: str) -> bool:
        """Whether Redis knows the outcome of the video, which never changes."""
        with translated():
            rank = self._redis.hget(self._keys.view(video_id), "rank")
        return rank is not None and int(cast("str", rank)) == _FINAL_RANK

    def is_closed(self, video_id: str) -> bool:
        """Whether nothing is left to do: the video has an outcome, or was erased."""
        with translated():
            rank = self._redis.hget(self._keys.view(video_id), "rank")
        return rank is not None and int(cast("str", rank)) >= _FINAL_RANK

    def active(self, *, idle_s: float) -> list[str]:
        """Ids of unfinished videos on which nothing has happened for so many seconds."""
        with translated():
            ids = self._redis.zrangebyscore(self._keys.active, "-inf", self._now() - idle_s)
        return cast("list[str]", ids)

    def idle_s(self, video_id: str) -> float | None:
        """Seconds since something happened on an unfinished video; None where none is known."""
        with translated():
            at = self._redis.zscore(self._keys.active, video_id)
        return None if at is None else max(0.0, self._now() - at)

    def forget(self, video_id: str) -> None:
        """Drop all that is known of a video; it can come back."""
        self._drop(video_id, note_ttl_s=0)

    def erase(self, video_id: str) -> None:
        """Drop a video for good: whoever is still at it cannot bring it back."""
        self._drop(video_id, note_ttl_s=ERASED_TTL_S)

    # --- leases and attempts -----------------------------------------------------------------

    def acquire_lease(self, video_id: str, owner: str, ttl_s: float) -> bool:
        """Take or keep the sole right to work on a video; False while somebody else has it.

        One's own lease is granted again: to keep it, and since the client repeats a command whose
        answer was lost with a connection.
        """
        with translated():
            return bool(
                self._acquire(keys=[self._keys.lease(video_id)], args=[owner, milliseconds(ttl_s)])
            )

    def release_lease(self, video_id: str, owner: str) -> None:
        """Give the right back; nothing happens when it was lost."""
        with translated():
            self._release(keys=[self._keys.lease(video_id)], args=[owner])

    def is_leased(self, video_id: str) -> bool:
        """Whether a live worker is at this video."""
        with translated():
            return bool(self._redis.exists(self._keys.lease(video_id)))

    def count_attempt(self, video_id: str, stage: Status, *, by: int = 1) -> int:
        """Count a start of a stage (or take one back) and return how many there were."""
        with translated():
            return self._redis.hincrby(self._keys.view(video_id), f"attempts:{stage}", by)

    def forget_attempts(self, video_id: str, stage: Status) -> None:
        """Begin counting anew: the stage came to its end."""
        with translated():
            self._redis.hdel(self._keys.view(video_id), f"attempts:{stage}")

    def queue_length(self, queue: str) -> int:
        """Number of messages that no worker has taken yet."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for waiting in lists_of(queue):
                pipe.llen(waiting)
            return sum(cast("list[int]", pipe.execute()))

    # --- workers -----------------------------------------------------------------------------

    def announce_worker(self, role: str, name: str) -> None:
        """Say that a worker of this role is alive; it counts for `WORKER_TTL_S`."""
        with translated():
            self._redis.zadd(self._keys.workers(role), {name: self._now()})
            self._redis.zremrangebyscore(self._keys.workers(role), "-inf", self._now() - 3600)

    def retire_worker(self, role: str, name: str) -> None:
        """Say that a worker has stopped."""
        with translated():
            self._redis.zrem(self._keys.workers(role), name)

    def live_workers(self, role: str) -> int:
        """Number of workers of this role that announced themselves lately."""
        return len(self.live_worker_names(role))

    def live_worker_names(self, role: str) -> list[str]:
        """Names of the workers of this role that announced themselves lately."""
        with translated():
            alive_since = self._now() - WORKER_TTL_S
            names = self._redis.zrangebyscore(self._keys.workers(role), alive_since, "+inf")
        return cast("list[str]", names)

    # --- shared roles ------------------------------------------------------------------------

    def take_turn(self, name: str, owner: str, ttl_s: float) -> bool:
        """Win or keep a role that one process of many may play, such as sweeping."""
        with translated():
            return bool(
                self._acquire(keys=[self._keys.turn(name)], args=[owner, milliseconds(ttl_s)])
            )

    def end_turn(self, name: str, owner: str) -> None:
        """Let others have a role at once; nothing happens to one's that was lost."""
        with translated():
            self._release(keys=[self._keys.turn(name)], args=[owner])

    def note_done(self, chore: str, ttl_s: float | None = None) -> None:
        """Note that a chore was done and need not be done again for so long, or ever."""
        with translated():
            px = None if ttl_s is None else milliseconds(ttl_s)
            self._redis.set(self._keys.done(chore), "1", px=px)

    def is_done(self, chore: str) -> bool:
        """Whether a chore was done lately, by anyone, and Redis has not come back empty since."""
        with translated():
            return bool(self._redis.exists(self._keys.done(chore)))

    def check(self) -> None:
        """Return when Redis answers."""
        with translated():
            self._redis.ping()

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._redis.close()

    def _now(self) -> float:
        # The server's clock, since workers on other hosts have their own.
        seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1e6

    def _move(
        self,
        video_id: str,
        status: Status,
        progress: float,
        *,
        mark: str | None = None,
        summary: Mapping[str, str] | None = None,
        **fields: str,
    ) -> bool:
        pairs = _pairs(fields)
        ttl_s = FINISHED_TTL_S if status.is_final else 0
        with translated():
            return bool(
                self._advance(
                    keys=self._keys.of_video(video_id),
                    args=[
                        video_id,
                        _RANK[status],
                        status,
                        progress,
                        ttl_s,
                        mark or "",
                        len(pairs),
                        *pairs,
                        *_pairs(summary or {}),
                    ],
                )
            )

    def _drop(self, video_id: str, *, note_ttl_s: int) -> None:
        with translated():
            self._erase(
                keys=[*self._keys.of_video(video_id), self._keys.catalogue()],
                args=[video_id, note_ttl_s],
            )


def _pairs(fields: Mapping[str, str]) -> list[str]:
    return [item for pair in fields.items() for item in pair]


def make_job_store(settings: JobSettings) -> RedisJobStore:
    """Build the store that the settings name, without touching the network."""
    return RedisJobStore(connect(settings))
