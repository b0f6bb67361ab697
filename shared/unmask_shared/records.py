"""The documents of a video in the object store, and the live view rebuilt from them."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from unmask_shared.artifacts import cancellation_key, failure_key, record_key, result_key
from unmask_shared.errors import DamagedDocument, ObjectNotFound
from unmask_shared.job_store import JobState, RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.videos import Cancellation, Failure, VideoRecord, VideoResult

_SHOWN = 200

Document = TypeVar("Document", bound=BaseModel)


def write_document(store: ObjectStore, key: str, document: BaseModel) -> None:
    """Store a document as JSON."""
    store.put(key, document.model_dump_json(indent=1).encode(), content_type="application/json")


def read_document(store: ObjectStore, key: str, kind: type[Document]) -> Document | None:
    """Return the document under the key, or None when there is none.

    Raises:
        DamagedDocument: What is stored there is no such document.
    """
    try:
        return kind.model_validate_json(store.get(key))
    except ObjectNotFound:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where, what = str(first["loc"])[:_SHOWN], first["msg"][:_SHOWN]
        raise DamagedDocument(
            f"{key} is no valid {kind.__name__}: {error.error_count()} errors, "
            f"the first at {where}: {what}."
        ) from error


def restore_view(store: ObjectStore, jobs: RedisJobStore, video_id: str) -> JobState | None:
    """Make the live view agree with the durable documents.

    Returns:
        The view, or None when no record says that the video was ever accepted.
    """
    record = read_document(store, record_key(video_id), VideoRecord)
    if record is None:
        return None
    jobs.accept(record)
    close_view(store, jobs, video_id)
    return jobs.get(video_id)


def close_view(store: ObjectStore, jobs: RedisJobStore, video_id: str) -> bool:
    """Close the live view if the video has an outcome; returns whether it has one.

    A worker may have stored a result while the video was cancelled: that it was cancelled counts.
    """
    if read_document(store, cancellation_key(video_id), Cancellation):
        jobs.cancel(video_id)
        return True
    if result := read_document(store, result_key(video_id), VideoResult):
        jobs.complete(video_id, result)
        return True
    if failure := read_document(store, failure_key(video_id), Failure):
        jobs.fail(video_id, failure)
        return True
    return False
