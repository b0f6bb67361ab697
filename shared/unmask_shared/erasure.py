"""Erases videos, so that nothing of them comes back.

A worker may be at a video while it is erased, and write what it has just made. So Redis remembers
for a day that the video is gone, which stops the worker at its next sign of progress; the worker
looks for the record when it ends, and erases again if there is none; and the sweeper erases what
stays without a record, whoever left it there.
"""

import logging

from unmask_shared.artifacts import record_key, video_prefix
from unmask_shared.errors import DamagedDocument, ObjectStoreUnavailable, UnmaskError
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.videos import ErasedItem, VideoRecord

log = logging.getLogger(__name__)


def erase_video(store: ObjectStore, jobs: RedisJobStore, video_id: str) -> bool:
    """Erase every artefact of a video, at any stage.

    Also what an erasure that broke off has left.

    Returns:
        Whether there was anything.

    Raises:
        JobStoreUnavailable: Redis does not answer; nothing was erased.
        ObjectStoreUnavailable: The store does not answer; not all was erased, and the caller
            should try again.
    """
    if next(iter(store.keys(video_prefix(video_id))), None) is None:
        if jobs.get(video_id) is None:
            return False
        jobs.erase(video_id)
        return True
    record = _record(store, video_id)
    if record and record.idempotency and record.batch:
        # Before the record goes: an item without one counts as being accepted, and would be.
        write_document(store, record.idempotency, ErasedItem(erased=video_id))
    # First, or a worker could write what the listing below has not seen, and never look again.
    jobs.erase(video_id)
    try:
        # Without it, the video is gone for everybody, and the rest is remains.
        store.delete_prefix(record_key(video_id))
    except ObjectStoreUnavailable:
        jobs.forget(video_id)  # it is still there, and shall be seen
        raise
    store.delete_prefix(video_prefix(video_id))
    if record and record.idempotency and not record.batch:
        store.delete_prefix(record.idempotency)  # it holds the record, too
    log.info("video erased", extra={"video_id": video_id})
    return True


def discard(store: ObjectStore, video_id: str) -> None:
    """Erase what was stored of a video that was not accepted in the end.

    What a store that fails keeps of it is erased by the sweeper.
    """
    try:
        store.delete_prefix(video_prefix(video_id))
    except UnmaskError as error:
        log.warning(
            "remains of a video that was not accepted were left: %s",
            error.detail,
            extra={"video_id": video_id},
        )


def _record(store: ObjectStore, video_id: str) -> VideoRecord | None:
    try:
        return read_document(store, record_key(video_id), VideoRecord)
    except DamagedDocument:
        return None  # whatever it says, it goes


def erase_remains(store: ObjectStore, jobs: RedisJobStore, video_id: str) -> bool:
    """Erase what was written about a video after it was erased, or lost its record otherwise.

    Returns:
        Whether the video has no record; nothing is touched if it has one.
    """
    if store.exists(record_key(video_id)):
        return False
    store.delete_prefix(video_prefix(video_id))
    jobs.erase(video_id)
    return True
