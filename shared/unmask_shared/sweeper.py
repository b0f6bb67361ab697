"""Finds accepted videos that nobody works on, and queues them again.

The queue alone is not enough: Redis may come back empty, a gateway may die between the record and
the message, a worker between taking a message and noting that it has it. The sweeper compares what
should be going on with what is; queueing a video once too often is harmless.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice

from celery import Celery, chain
from kombu.exceptions import OperationalError

from unmask_shared.artifacts import VIDEOS_PREFIX, videos_among
from unmask_shared.broker import queued_videos
from unmask_shared.erasure import erase_remains, erase_video
from unmask_shared.errors import BrokerUnavailable, DamagedDocument, DependencyUnavailable
from unmask_shared.job_store import RedisJobStore
from unmask_shared.leases import unless_redis_is_away
from unmask_shared.messages import (
    BATCH,
    CLASSIFY_FACES,
    EXTRACT_FACES,
    INTERACTIVE,
    StageMessage,
)
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import restore_view
from unmask_shared.settings import JobSettings
from unmask_shared.subject import about
from unmask_shared.tracing import carried_headers, continued, span
from unmask_shared.videos import VideoRecord

log = logging.getLogger(__name__)

_STORE_SWEEP = "store-sweep"
# So many videos are looked up at a time.
_BATCH = 200

CATALOGUE_COMPLETE = "catalogue"
"""The chore that is done, until Redis forgets it, once lists show every stored video."""

_STORE_PAUSE_S = 300.0

# An upload gets its record seconds after its file. What has none for so long will never get one.
_REMAINS_PATIENCE_S = 600.0


def priority_of(record: VideoRecord) -> int:
    """Whether somebody waits for a video, or it came in bulk."""
    return INTERACTIVE if record.batch is None else BATCH


def enqueue(
    celery: Celery,
    jobs: RedisJobStore,
    video_id: str,
    *,
    priority: int = INTERACTIVE,
    trace: str | None = None,
) -> None:
    """Put a video's chain of stages into the broker.

    Stages that are done already are passed over by their workers.

    Args:
        celery: Takes the messages.
        jobs: The live view.
        video_id: The video.
        priority: Of both stages.
        trace: `traceparent` of its request, in case no trace is at hand.

    Raises:
        BrokerUnavailable: The queue does not take messages.
        JobStoreUnavailable: Redis went away just after it took the message.
    """
    payload = StageMessage(video_id=video_id).model_dump()
    with about(video_id=video_id), continued(trace), span("queue", kind="producer"):
        stages = [
            celery.signature(
                name,
                kwargs=payload,
                immutable=True,
                headers=carried_headers(),
                priority=priority,
            )
            for name in (EXTRACT_FACES, CLASSIFY_FACES)
        ]
        try:
            chain(*stages, app=celery).apply_async()
        except OperationalError as error:
            raise BrokerUnavailable("The queue does not take messages.") from error
    # After the message, never before it: a mark without a message would hide the video from the
    # sweeper, a message without a mark only brings it twice. A worker may have been faster.
    jobs.set_waiting(video_id, waiting=True, unless_leased=True)


class Sweeper:
    """Queues lost videos again; any number may run, one at a time acts."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        celery: Celery,
        settings: JobSettings,
        retention: timedelta | None = None,
        remains_patience_s: float = _REMAINS_PATIENCE_S,
    ) -> None:
        """Prepare to sweep.

        Args:
            store: Has the videos.
            jobs: Their live views.
            celery: Gets what is queued again.
            settings: How long leases and messages last.
            retention: Videos that were accepted so long ago are erased; None keeps them.
            remains_patience_s: What stays without a record for so long is erased.
        """
        self._store = store
        self._jobs = jobs
        self._celery = celery
        self._settings = settings
        self._retention = retention
        self._remains_patience_s = remains_patience_s
        self._name = uuid.uuid4().hex
        self._turn_s: float | None = None
        # When the objects of videos without a record were seen first.
        self._remains: dict[str, float] = {}

    def sweep_views(self) -> list[str]:
        """Queue the videos whose live view says that nobody works on them.

        Returns:
            Their ids.
        """
        swept: list[str] = []
        # What was taken from the queue comes back after the visibility timeout, so a message that
        # is nowhere after twice as long is lost.
        long_idle = set(self._jobs.active(idle_s=2 * self._settings.visibility_timeout_s))
        in_broker = cache(lambda: queued_videos(self._celery))
        for video_id in self._jobs.active(idle_s=self._settings.lease_ttl_s):
            with _passing_over_damage(video_id):
                state = self._jobs.get(video_id) or restore_view(self._store, self._jobs, video_id)
                if state is None:
                    self._jobs.forget(video_id)
                    continue
                if state.status.is_final or self._jobs.is_leased(video_id):
                    continue
                if state.waiting:
                    if video_id not in long_idle:
                        continue
                    if video_id in in_broker():
                        # Not asked again for a while.
                        self._jobs.set_waiting(video_id, waiting=True, unless_leased=True)
                        continue
                self._enqueue(state.record, swept)
        return swept

    def sweep_store(self) -> list[str]:
        """Queue the videos that have a record, but no outcome and no live view.

        Lists are completed on the way. What has stayed without a record for long is erased, and so
        are videos that were kept long enough.

        Returns:
            The ids of those that were queued.
        """
        swept: list[str] = []
        remains: dict[str, float] = {}
        videos = videos_among(self._store.keys(VIDEOS_PREFIX))
        while batch := list(islice(videos, _BATCH)):
            for video_id, has_record in batch:
                if not has_record:
                    remains[video_id] = self._remains.get(video_id, time.monotonic())
            self._take_turn()
            self._check_batch([video_id for video_id, has_record in batch if has_record], swept)
        self._jobs.note_done(CATALOGUE_COMPLETE)
        self._remains = remains
        self._erase_old_remains()
        if self._retention is not None:
            self._erase_older_than(self._retention)
        return swept

    def _check_batch(self, video_ids: Sequence[str], swept: list[str]) -> None:
        listed = self._jobs.catalogue.positions(video_ids)
        for video_id, at in zip(video_ids, listed, strict=True):
            if at is not None and (at.status.is_final or self._jobs.get(video_id) is not None):
                continue
            with _passing_over_damage(video_id):
                state = restore_view(self._store, self._jobs, video_id)
                if state is None or state.status.is_final or self._jobs.is_leased(video_id):
                    continue
                if not state.waiting:
                    self._enqueue(state.record, swept)

    def _erase_older_than(self, retention: timedelta) -> None:
        while old := self._jobs.catalogue.oldest(
            created_before=datetime.now(UTC) - retention, limit=_BATCH
        ):
            for video_id in old:
                if not erase_video(self._store, self._jobs, video_id):
                    self._jobs.forget(video_id)  # or the list would name it again and again
                log.info("erased: it was kept long enough", extra={"video_id": video_id})

    def _erase_old_remains(self) -> None:
        for video_id, seen_at in list(self._remains.items()):
            if time.monotonic() - seen_at < self._remains_patience_s:
                continue
            if self._jobs.is_leased(video_id):
                continue  # its worker clears up
            if erase_remains(self._store, self._jobs, video_id):
                log.warning("erased remains without a record", extra={"video_id": video_id})
            del self._remains[video_id]

    def run(self, stop: threading.Event, *, pause_s: float = 5.0) -> None:
        """Sweep until told to stop; dependencies that are down are waited for.

        The store is swept as soon as Redis came back empty: what is done is noted in Redis.
        """
        store_pause_s = min(_STORE_PAUSE_S, self._remains_patience_s / 2)
        self._turn_s = 3 * pause_s
        while not stop.is_set():
            try:
                if self._take_turn():
                    swept: list[str] = []
                    if not self._jobs.is_done(_STORE_SWEEP):
                        swept += self.sweep_store()
                        self._jobs.note_done(_STORE_SWEEP, store_pause_s)
                    swept += self.sweep_views()
                    self._jobs.counts.add_sweep(requeued=len(swept))
            except DependencyUnavailable as error:
                log.warning("the sweeper waits: %s", error.detail)
            stop.wait(pause_s)
        with unless_redis_is_away("others wait to sweep", about={}):
            self._jobs.end_turn("sweeper", self._name)

    def _take_turn(self) -> bool:
        return self._turn_s is None or self._jobs.take_turn("sweeper", self._name, self._turn_s)

    def _enqueue(self, record: VideoRecord, swept: list[str]) -> None:
        self._take_turn()  # a long sweep shall not lose it half-way
        log.warning("queued again: nobody was working on it", extra={"video_id": record.id})
        enqueue(
            self._celery,
            self._jobs,
            record.id,
            priority=priority_of(record),
            trace=record.trace,
        )
        swept.append(record.id)


@contextmanager
def _passing_over_damage(video_id: str) -> Iterator[None]:
    """Keep one video that cannot be read from hiding the others."""
    try:
        yield
    except DamagedDocument as error:
        log.error("%s", error.detail, extra={"video_id": video_id})  # noqa: TRY400 - no bug of ours
