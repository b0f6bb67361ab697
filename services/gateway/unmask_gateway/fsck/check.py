"""Walks the object store and Redis, and reports what does not fit together."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Final

from celery import Celery

from unmask_gateway.fsck import others
from unmask_gateway.fsck.findings import Finding
from unmask_gateway.fsck.mending import Mender
from unmask_gateway.fsck.stored import StoredVideo, stored_video, stored_videos
from unmask_gateway.fsck.videos import VideoCheck
from unmask_shared.broker import queued_videos
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.settings import JobSettings

_BATCH: Final = 200
_BROKER_CACHE_S: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How old something has to be before it counts as forgotten, not as on its way.

    Attributes:
        remains: An upload has its record by then.
        write: A write to the store goes on by then.
        upload: A direct upload expires after that.
        between_looks_s: Everything is looked at twice, so many seconds apart.
    """

    remains: timedelta
    write: timedelta
    upload: timedelta
    between_looks_s: float = 1.0


@dataclass(kw_only=True)
class Counts:
    """What was looked at."""

    videos: int = 0


@dataclass(kw_only=True)
class Check:
    """One check of everything.

    Attributes:
        store: The truth.
        jobs: What is told of it.
        celery: Holds messages.
        settings: How long leases and messages last.
        patience: What counts as forgotten.
        deep: Whether sources are read and compared with their hashes.
        counts: What was looked at so far.
    """

    store: ObjectStore
    jobs: RedisJobStore
    celery: Celery
    settings: JobSettings
    patience: Patience
    deep: bool = False
    counts: Counts = field(default_factory=Counts)

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong; memory does not grow with the number of videos.

        Raises:
            DependencyUnavailable: The store, Redis or the queue does not answer.
        """
        # The sweeper looks after twice the visibility timeout, every few seconds.
        stuck_after = timedelta(seconds=3 * self.settings.visibility_timeout_s)
        mender = Mender(
            store=self.store,
            jobs=self.jobs,
            celery=self.celery,
            lease_ttl_s=self.settings.lease_ttl_s,
        )
        check = VideoCheck(
            store=self.store,
            jobs=self.jobs,
            mender=mender,
            in_broker=_cached(lambda: queued_videos(self.celery)),
            stuck_after=stuck_after,
            remains_patience=self.patience.remains,
            deep=self.deep,
        )
        yield from self._videos(check)
        yield from others.idempotency_keys(self.store, mender, self.patience.remains)
        yield from others.webhooks(self.store, mender, self.patience.remains)
        yield from others.api_keys(self.store)
        yield from others.uploads(self.store, self.patience.upload)
        yield from others.writes(self.store, self.patience.write)
        yield from others.ghosts(self.store, self.jobs, mender, stuck_after)

    def _videos(self, check: VideoCheck) -> Iterator[Finding]:
        videos = stored_videos(self.store)
        while batch := list(islice(videos, _BATCH)):
            self.counts.videos += len(batch)
            suspects = {video.id: found for video in batch if (found := self._look(check, video))}
            if not suspects:
                continue
            # Services go on meanwhile: what was true for a moment only is nothing to report.
            time.sleep(self.patience.between_looks_s)
            for video_id, before in suspects.items():
                video = stored_video(self.store, video_id)
                if video is None:
                    continue
                known = {finding.identity for finding in before}
                yield from (f for f in self._look(check, video) if f.identity in known)

    def _look(self, check: VideoCheck, video: StoredVideo) -> list[Finding]:
        return list(check.look(video))


def _cached(ask: Callable[[], set[str]]) -> Callable[[], set[str]]:
    """Ask again only when the answer is some seconds old."""
    known: set[str] = set()
    asked_at = float("-inf")

    def answer() -> set[str]:
        nonlocal known, asked_at
        if time.monotonic() - asked_at > _BROKER_CACHE_S:
            known, asked_at = ask(), time.monotonic()
        return known

    return answer
