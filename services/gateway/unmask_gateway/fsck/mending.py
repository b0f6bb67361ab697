"""Mends what a check found, beside services that run.

A video is touched only under its lease, which keeps workers away. Whatever can be read of a source,
a result or a failure stays.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from celery import Celery
from pydantic import ValidationError

from unmask_gateway.fsck.findings import LeftAloneError
from unmask_gateway.fsck.stored import read
from unmask_gateway.idempotency import BoundKey
from unmask_shared.artifacts import (
    IDEMPOTENCY_PREFIX,
    cancellation_key,
    failure_key,
    record_key,
    result_key,
    video_prefix,
    webhook_key,
)
from unmask_shared.erasure import erase_remains
from unmask_shared.job_store import JobState, RedisJobStore
from unmask_shared.leases import held_lease
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import restore_view, write_document
from unmask_shared.sweeper import enqueue
from unmask_shared.videos import Cancellation, Status, VideoRecord


class Mender:
    """Every method says what it did, or raises `LeftAloneError` or `DependencyUnavailable`."""

    def __init__(
        self, *, store: ObjectStore, jobs: RedisJobStore, celery: Celery, lease_ttl_s: float
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._celery = celery
        self._lease_ttl_s = lease_ttl_s

    def write_record(self, video_id: str) -> str:
        """Store the record again, as Redis or an Idempotency-Key remembers it."""
        with self._alone_with(video_id):
            record = self._remembered_record(video_id)
            if record is None:
                raise LeftAloneError(
                    "nobody else knows what it said: restore it from a backup, or erase the video"
                )
            write_document(self._store, record_key(video_id), record)
        return f"wrote the record again, as it was remembered; {self.queue(video_id)}"

    def write_outcome(self, video_id: str) -> str:
        """Store the outcome again that Redis remembers, or let the video be worked on again."""
        state = view_of(self._jobs, video_id)
        with self._alone_with(video_id):
            if state and state.result and state.status is Status.COMPLETED:
                write_document(self._store, result_key(video_id), state.result)
                return "wrote the result again, as Redis remembers it"
            if state and state.failure and state.status is Status.FAILED:
                write_document(self._store, failure_key(video_id), state.failure)
                return "wrote the failure again, as Redis remembers it"
        return self.start_again(video_id)

    def replace_outcome(self, video_id: str, key: str) -> str:
        """The same for one that cannot be read."""
        with self._alone_with(video_id):
            self._store.delete_prefix(key)
        return self.write_outcome(video_id)

    def write_cancellation(self, video_id: str, at: datetime) -> str:
        """Store again that a video was cancelled."""
        with self._alone_with(video_id):
            write_document(self._store, cancellation_key(video_id), Cancellation(cancelled_at=at))
        self.show_again(video_id)
        return "wrote the cancellation again"

    def start_again(self, video_id: str, *, without: Iterable[str] = ()) -> str:
        """Erase objects of a video, forget how far it was, and queue it if it has not ended."""
        with self._alone_with(video_id):
            for key in without:
                self._store.delete_prefix(key)
            self._jobs.forget(video_id)
        return self.queue(video_id)

    def show_again(self, video_id: str) -> str:
        """Make Redis agree with the store."""
        with self._alone_with(video_id):
            self._jobs.forget(video_id)
            restore_view(self._store, self._jobs, video_id)
        return "views and lists agree with the store again"

    def queue(self, video_id: str) -> str:
        """Queue a video, unless it has ended."""
        with self._alone_with(video_id):
            state = restore_view(self._store, self._jobs, video_id)
        if state is None or state.status.is_final:
            return "views and lists agree with the store again"
        enqueue(self._celery, self._jobs, video_id)
        return "queued again"

    def forget(self, video_id: str) -> str:
        """Drop from Redis what the store has no record of."""
        if self._store.exists(record_key(video_id)):
            raise LeftAloneError("it has a record now")
        self._jobs.forget(video_id)
        return "no list shows it any more"

    def erase_remains(self, video_id: str) -> str:
        """Erase what has no record."""
        with self._alone_with(video_id):
            if not erase_remains(self._store, self._jobs, video_id):
                raise LeftAloneError("it has a record now")
            self._store.delete_prefix(webhook_key(video_id))
        return "erased"

    def erase_objects(self, video_id: str, keys: Iterable[str]) -> str:
        """Erase single objects of a video."""
        with self._alone_with(video_id):
            for key in keys:
                if not key.startswith(video_prefix(video_id)):
                    raise ValueError(f"{key} is no object of {video_id}")
                self._store.delete_prefix(key)
        return "erased"

    def expect_webhook(self, video_id: str, *, without: Iterable[str] = ()) -> str:
        """Note that a message about the end of a video is due."""
        for key in without:
            self._store.delete_prefix(key)
        self._store.put(webhook_key(video_id), b"", content_type="application/octet-stream")
        return "a gateway sends it"

    def erase_key(self, key: str) -> str:
        """Erase one object."""
        self._store.delete_prefix(key)
        return "erased"

    @contextmanager
    def _alone_with(self, video_id: str) -> Iterator[None]:
        about = {"video_id": video_id}
        with held_lease(self._jobs, video_id, self._lease_ttl_s, about=about) as lease:
            if lease is None:
                raise LeftAloneError("a worker is at it: look again later")
            yield

    def _remembered_record(self, video_id: str) -> VideoRecord | None:
        if (state := view_of(self._jobs, video_id)) is not None:
            return state.record
        for key in self._store.keys(IDEMPOTENCY_PREFIX):
            bound = read(self._store, key, BoundKey).document
            if bound is not None and bound.record.id == video_id:
                return bound.record
        return None


def view_of(jobs: RedisJobStore, video_id: str) -> JobState | None:
    """The live view of a video; None also where it cannot be read."""
    try:
        return jobs.get(video_id)
    except ValidationError:
        return None
