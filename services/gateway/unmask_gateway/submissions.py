"""Makes an upload a video: stored, recorded, queued."""

import logging
from collections import deque
from datetime import UTC, datetime
from typing import Final

import uuid_utils
from celery import Celery

from unmask_gateway.uploads import IncomingUpload
from unmask_shared.artifacts import VIDEOS_PREFIX, record_key, source_key
from unmask_shared.errors import DependencyUnavailable, UnmaskError
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_shared.sweeper import enqueue
from unmask_shared.videos import Upload, VideoRecord

log = logging.getLogger(__name__)

_MOST_LATE: Final = 10_000


class Submissions:
    """Accepts videos; safe to use from several threads."""

    def __init__(self, *, store: ObjectStore, jobs: RedisJobStore, celery: Celery) -> None:
        self._store = store
        self._jobs = jobs
        self._celery = celery
        # What falls out, or is lost with the process, is found by the sweeper minutes later.
        self._late: deque[VideoRecord] = deque(maxlen=_MOST_LATE)

    def keep(self, upload: IncomingUpload) -> VideoRecord:
        """Store an upload and its record; from then on the video is accepted.

        Raises:
            ObjectStoreUnavailable: The store failed.
            UnmaskError: The upload broke off, with the error it was aborted with.
        """
        video_id = str(uuid_utils.uuid7())
        try:
            self._store.put_stream(
                source_key(video_id), upload.stream, content_type=upload.content_type
            )
            record = VideoRecord(
                id=video_id,
                created_at=datetime.now(UTC),
                upload=Upload(
                    filename=upload.filename,
                    content_type=upload.content_type,
                    bytes=upload.stream.bytes_read,
                    sha256=upload.stream.sha256,
                ),
                options=upload.options.chosen(),
                owner=upload.owner,
            )
            upload.stream.raise_if_aborted()
            write_document(self._store, record_key(video_id), record)
        except BaseException:
            self._erase(video_id)
            raise
        log.info("video accepted", extra={"video_id": video_id, "bytes": record.upload.bytes})
        return record

    def announce(self, record: VideoRecord) -> None:
        """Show the video as queued and send it to the workers, later if Redis is away."""
        try:
            self._announce(record)
        except DependencyUnavailable as error:
            log.warning("queued later: %s", error.detail, extra={"video_id": record.id})
            self._late.append(record)

    def announce_late(self) -> None:
        """Try once more to send what could not be sent when it was accepted.

        Raises:
            DependencyUnavailable: Redis is still away; nothing is forgotten.
        """
        while self._late:
            self._announce(self._late[0])
            self._late.popleft()

    def _announce(self, record: VideoRecord) -> None:
        self._jobs.accept(record)
        enqueue(self._celery, self._jobs, record.id)

    def _erase(self, video_id: str) -> None:
        try:
            self._store.delete_prefix(f"{VIDEOS_PREFIX}{video_id}/")
        except UnmaskError as error:
            log.warning(
                "remains of a broken upload were left: %s",
                error.detail,
                extra={"video_id": video_id},
            )
