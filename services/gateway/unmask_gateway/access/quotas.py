"""How much a key may have here at once."""

import logging

from unmask_gateway.access.errors import StorageQuotaExceeded, TooManyUnfinishedVideos
from unmask_gateway.access.settings import LimitSettings
from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.job_store import RedisJobStore

log = logging.getLogger(__name__)

# Nobody knows when a video is finished; asking more often is of no use.
_RETRY_AFTER_S = 10


class Quotas:
    """Compares what a key has with what it may have; safe to use from several threads.

    The figures come from the index of videos in Redis: right after Redis came back empty, until the
    sweeper has filled it again, keys seem to have less than they do.
    """

    def __init__(self, jobs: RedisJobStore, settings: LimitSettings) -> None:
        self._jobs = jobs
        self._stored_bytes = settings.stored_bytes_per_key
        self._unfinished = settings.unfinished_videos_per_key

    def check(self, key_id: str, *, more_bytes: int) -> None:
        """Return if the key may send one more video, or if Redis, which knows, is away.

        Uploads that run at the same time do not see each other, so a key may exceed its quotas by
        as many videos as it sends at once.

        Args:
            key_id: Id of the key.
            more_bytes: What it sends, as far as that is known; 1 when it is not.

        Raises:
            StorageQuotaExceeded: Its videos fill, or would fill, its room.
            TooManyUnfinishedVideos: As many as it may have are not finished.
        """
        if not self._stored_bytes and not self._unfinished:
            return
        try:
            usage = self._jobs.catalogue.usage(key_id)
        except JobStoreUnavailable as error:
            log.warning("quotas are not held: %s", error.detail)
            return
        if self._stored_bytes and usage.stored_bytes + more_bytes > self._stored_bytes:
            raise StorageQuotaExceeded(
                f"The videos of this key have {usage.stored_bytes} bytes, and this one would add "
                f"{more_bytes}; {self._stored_bytes} bytes are allowed."
            )
        if self._unfinished and usage.unfinished >= self._unfinished:
            raise TooManyUnfinishedVideos(
                f"{usage.unfinished} videos of this key are not finished; {self._unfinished} are "
                "allowed.",
                retry_after_s=_RETRY_AFTER_S,
            )
