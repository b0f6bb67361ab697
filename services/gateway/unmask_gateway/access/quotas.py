"""How much a key may have here at once, and how much may wait."""

import logging
import uuid

from unmask_gateway.access.caller import Caller
from unmask_gateway.access.errors import StorageQuotaExceeded, TooManyUnfinishedVideos
from unmask_gateway.access.settings import LimitSettings
from unmask_shared.errors import JobStoreUnavailable, QueueFull
from unmask_shared.job_store import RedisJobStore, Room, Want
from unmask_shared.messages import PREPROCESSOR_QUEUE

log = logging.getLogger(__name__)

# Nobody knows when a video is finished; asking more often is of no use.
_RETRY_AFTER_S = 10


class Quotas:
    """Reserves what a video takes of what its key may have; safe to use from several threads.

    The figures come from the index of videos in Redis: right after Redis came back empty, until the
    sweeper has filled it again, keys seem to have less than they do. While Redis is away nothing is
    reserved, and nothing refused.
    """

    def __init__(self, jobs: RedisJobStore, settings: LimitSettings) -> None:
        self._jobs = jobs
        self._stored_bytes = settings.stored_bytes_per_key
        self._unfinished = settings.unfinished_videos_per_key
        self._waiting = settings.waiting_videos

    def check_queue(self) -> None:
        """Return if one more video may wait for a worker, whoever sends it.

        Those that are on their way at this moment come on top.

        Raises:
            QueueFull: As many as may wait do so.
        """
        if not self._waiting:
            return
        try:
            waiting = self._jobs.queue_length(PREPROCESSOR_QUEUE)
        except JobStoreUnavailable as error:
            log.warning("the queue is not bounded: %s", error.detail)
            return
        if waiting >= self._waiting:
            raise QueueFull(f"{waiting} videos wait; {self._waiting} may.")

    def reserve(self, caller: Caller, video_id: str, *, size: int) -> None:
        """Keep room for a video of the caller until it is accepted.

        Once more when its size is known: that takes the place of what was reserved before.

        Args:
            caller: Who sends it.
            video_id: The id that it will have.
            size: Its bytes, as far as they are known; 1 when they are not.

        Raises:
            StorageQuotaExceeded: Its videos fill, or would fill, its room.
            TooManyUnfinishedVideos: As many as it may have are not finished.
        """
        if not (self._stored_bytes or self._unfinished):
            return
        if caller.key_id is None or not caller.is_limited:
            return
        try:
            room = self._jobs.rooms.reserve(
                caller.key_id,
                video_id,
                size=size,
                most_bytes=self._stored_bytes,
                most_unfinished=self._unfinished,
            )
        except JobStoreUnavailable as error:
            log.warning("quotas are not held: %s", error.detail)
            return
        self._check(room, size)

    def release(self, owner: str | None, video_id: str) -> None:
        """Give back what was reserved, if anything, for a video of this key that will not come."""
        if owner is None or not (self._stored_bytes or self._unfinished):
            return
        try:
            self._jobs.rooms.release(owner, video_id)
        except JobStoreUnavailable as error:
            log.warning("room stays reserved for a while: %s", error.detail)

    def check(self, caller: Caller, *, size: int) -> None:
        """Return if there is room for a file at the moment; raises what `reserve` raises."""
        name = f"check-{uuid.uuid4()}"
        self.reserve(caller, name, size=size)
        self.release(caller.key_id, name)

    def _check(self, room: Room, size: int) -> None:
        if room.wanting is Want.BYTES:
            raise StorageQuotaExceeded(
                f"The videos of this key have {room.stored_bytes} bytes, and this one would add "
                f"{size}; {self._stored_bytes} bytes are allowed."
            )
        if room.wanting is Want.UNFINISHED:
            raise TooManyUnfinishedVideos(
                f"{room.unfinished} videos of this key are not finished; {self._unfinished} are "
                "allowed.",
                retry_after_s=_RETRY_AFTER_S,
            )
