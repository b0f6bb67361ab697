"""The connection to Redis or Valkey, and the names under which things are kept there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.settings import JobSettings


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Names of what is kept; `namespace` begins each of them."""

    namespace: str

    def view(self, video_id: str) -> str:
        """The live view of a video, a hash."""
        return f"{self.namespace}:video:{video_id}"

    def summary(self, video_id: str) -> str:
        """What lists show of a video, a hash that stays as long as the video."""
        return f"{self.namespace}:summary:{video_id}"

    def catalogue(self, owner: str | None = None) -> str:
        """The places of all videos, or of those of one owner, oldest first."""
        return f"{self.namespace}:catalogue" + (f":{owner}" if owner else "")

    def reserved(self, owner: str) -> str:
        """Room that an owner's videos on their way will take, a hash."""
        return f"{self.catalogue(owner)}:reserved"

    def lease(self, video_id: str) -> str:
        """Who works on a video."""
        return f"{self.namespace}:lease:{video_id}"

    def workers(self, role: str) -> str:
        """The workers of a role, by the time of their last sign of life."""
        return f"{self.namespace}:workers:{role}"

    def gpus(self, worker: str) -> str:
        """What the GPUs of a worker are used for."""
        return f"{self.namespace}:gpus:{worker}"

    def playback(self, digest: str) -> str:
        """Which video may be played with what has this hash."""
        return f"{self.namespace}:playback:{digest}"

    def turn(self, name: str) -> str:
        """Who plays a role that one process of many may play."""
        return f"{self.namespace}:turn:{name}"

    def done(self, chore: str) -> str:
        """Whether a chore was done lately."""
        return f"{self.namespace}:done:{chore}"

    @property
    def counts(self) -> str:
        """What has happened so far, a hash."""
        return f"{self.namespace}:counts"

    def of_video(self, video_id: str) -> list[str]:
        """What changes with a video: its view, the set of unfinished ones, its summary."""
        return [self.view(video_id), self.active, self.summary(video_id)]

    @property
    def active(self) -> str:
        """Unfinished videos, by the time at which something happened last."""
        return f"{self.namespace}:active"


def connect(settings: JobSettings) -> "redis.Redis":
    """Make a client that gives up in seconds, without touching the network."""
    return redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        # Commands take milliseconds; a server that hangs must not hold up whoever asks.
        socket_timeout=2,
        socket_connect_timeout=2,
        health_check_interval=30,
        # A restart is waited for, briefly; what timed out once is not tried again.
        retry=Retry(
            ExponentialBackoff(cap=1.0, base=0.05),
            retries=4,
            supported_errors=(redis.ConnectionError,),
        ),
    )


def milliseconds(seconds: float) -> int:
    """A duration as Redis takes it; never 0, which it refuses."""
    return max(1, round(seconds * 1000))


@contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into `JobStoreUnavailable`."""
    try:
        yield
    except redis.RedisError as error:
        raise JobStoreUnavailable(f"Redis failed: {type(error).__name__}.") from error
