"""Ends videos at the wish of their senders."""

import logging
from datetime import UTC, datetime

from unmask_shared.artifacts import cancellation_key
from unmask_shared.errors import VideoAlreadyEnded, VideoNotFound
from unmask_shared.job_store import RedisJobStore
from unmask_shared.leases import unless_redis_is_away
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import restore_view, write_document
from unmask_shared.videos import Cancellation, Status

log = logging.getLogger(__name__)


def cancel_video(store: ObjectStore, jobs: RedisJobStore, video_id: str) -> None:
    """Let a video end without a result; nothing happens to one that was cancelled before.

    Raises:
        VideoNotFound: No video has this id.
        VideoAlreadyEnded: It was completed, or has failed.
        DependencyUnavailable: A store does not answer; the caller should try again.
    """
    state = restore_view(store, jobs, video_id)
    _raise_unless_open(video_id, state.status if state else None)
    if state is None or state.status is Status.CANCELLED:
        return
    # The store first, as with every outcome; but then Redis says who was faster.
    key = cancellation_key(video_id)
    write_document(store, key, Cancellation(cancelled_at=datetime.now(UTC)))
    if jobs.cancel(video_id):
        with unless_redis_is_away("a cancellation is not counted", {"video_id": video_id}):
            jobs.counts.add_outcome(Status.CANCELLED)
        log.info("video cancelled", extra={"video_id": video_id})
        return
    state = jobs.get(video_id)
    if state is None or state.status is not Status.CANCELLED:
        store.delete_prefix(key)
    _raise_unless_open(video_id, state.status if state else None)


def _raise_unless_open(video_id: str, status: Status | None) -> None:
    if status is None:
        raise VideoNotFound(f"No video has the id {video_id}.")
    if status in {Status.COMPLETED, Status.FAILED}:
        raise VideoAlreadyEnded(f"The video {video_id} is {status} already.")
