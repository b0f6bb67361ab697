"""Whose a video is."""

import threading
import uuid
from collections import OrderedDict
from typing import Final

from unmask_gateway.access.caller import Caller
from unmask_shared.artifacts import record_key
from unmask_shared.errors import ObjectStoreUnavailable, VideoNotFound
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document
from unmask_shared.videos import VideoRecord

_MOST_REMEMBERED: Final = 10_000


class VideoOwners:
    """Tells callers' videos from those of others; safe to use from several threads."""

    def __init__(self, *, store: ObjectStore, jobs: RedisJobStore) -> None:
        self._store = store
        self._jobs = jobs
        self._lock = threading.Lock()
        # Owners never change, so what a caller has seen once is not looked up again.
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    def check(self, caller: Caller, video_id: str) -> None:
        """Return if the video exists for the caller, or if its id is none, which routes refuse.

        Raises:
            VideoNotFound: There is no such video, or it is somebody else's: both cost one look at
                the object store and read the same.
            DamagedDocument: Its record cannot be read.
            ObjectStoreUnavailable: Neither the store nor Redis tells.
        """
        if caller.key_id is None or caller.sees_all or not _is_video_id(video_id):
            return
        seen = (caller.key_id, video_id)
        with self._lock:
            if seen in self._seen:
                self._seen.move_to_end(seen)
                return
        record = self._record(video_id)
        if record is None or not caller.may_see(record):
            raise VideoNotFound(f"No video has the id {video_id}.")
        with self._lock:
            self._seen[seen] = None
            while len(self._seen) > _MOST_REMEMBERED:
                self._seen.popitem(last=False)

    def _record(self, video_id: str) -> VideoRecord | None:
        try:
            return read_document(self._store, record_key(video_id), VideoRecord)
        except ObjectStoreUnavailable:
            # Videos at work are still told from Redis.
            if state := self._jobs.get(video_id):
                return state.record
            raise


def _is_video_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
