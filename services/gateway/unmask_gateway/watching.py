"""Follows videos for clients that want to be told: one look at Redis serves all of them.

Nothing is queued for a client. It is told where its video stands whenever that has changed since it
was told last, so a slow client skips steps and never falls behind.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anyio import to_thread

from unmask_gateway.lookup import VideoLookup
from unmask_shared.errors import (
    TooManyEventStreams,
    UnmaskError,
    VideoNotFound,
)
from unmask_shared.job_store import Position, RedisJobStore
from unmask_shared.videos import Status

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 0.25
_LOOK_AGAIN_AFTER_S: Final = 1.0
_ORDER: Final = {status: rank for rank, status in enumerate(Status)}


class Watch:
    """A video that somebody follows.

    Attributes:
        position: How far it is; None once it was erased.
        ends: Whether nothing will be told any more, since the server stops.
    """

    def __init__(self, position: Position | None) -> None:
        self.position = position
        self.ends = False
        self.followers = 0
        self._changed = asyncio.Event()

    async def wait(self, seen: Position | None, *, patience_s: float) -> bool:
        """Return at once when the position differs from this one, or as soon as it does.

        Returns:
            False if there was nothing new for so long.
        """
        if self.position != seen or self.ends:
            return True
        try:
            async with asyncio.timeout(patience_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def tell(self, position: Position | None) -> None:
        """Note where the video stands now, and wake who waits for that."""
        if position != self.position:
            self.position = position
            self._wake()

    def end(self) -> None:
        """Let everybody go."""
        self.ends = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class VideoWatcher:
    """Looks where the videos stand that somebody follows; for one event loop."""

    def __init__(self, *, jobs: RedisJobStore, lookup: VideoLookup, most: int) -> None:
        """Prepare to watch.

        Args:
            jobs: Tells the positions.
            lookup: Finds what Redis does not know.
            most: Clients at the same time.
        """
        self._jobs = jobs
        self._lookup = lookup
        self._most = most
        self._followers = 0
        self._watches: dict[str, Watch] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    def check_room(self) -> None:
        """Return if another client may follow a video.

        Raises:
            TooManyEventStreams: As many as are allowed follow videos already.
        """
        if self._followers >= self._most:
            raise TooManyEventStreams(f"{self._followers} clients follow videos already.")

    @asynccontextmanager
    async def following(self, video_id: str, position: Position) -> AsyncIterator[Watch]:
        """Follow a video for as long as the body runs.

        Args:
            video_id: The video.
            position: Where it stood a moment ago.
        """
        watch = self._watches.setdefault(video_id, Watch(position))
        if watch.position is not None and _is_further(position, watch.position):
            watch.tell(position)  # or a client that has seen it would be told an older one
        watch.ends = watch.ends or self._closed
        watch.followers += 1
        self._followers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield watch
        finally:
            self._followers -= 1
            watch.followers -= 1
            if not watch.followers:
                del self._watches[video_id]

    def close(self) -> None:
        """Let all followers go at the next look; may be called by the handler of a signal."""
        self._closed = True

    async def _look(self) -> None:
        """Look until nobody follows anything any more."""
        away = False
        while self._watches:
            if self._closed:
                for watch in self._watches.values():
                    watch.end()
            try:
                await self._look_once(list(self._watches))
            except UnmaskError as error:
                if not away:
                    log.warning("clients are told nothing for now: %s", error.detail)
                away = True
                await asyncio.sleep(_LOOK_AGAIN_AFTER_S)
            else:
                away = False
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _look_once(self, video_ids: list[str]) -> None:
        found = await to_thread.run_sync(self._jobs.catalogue.positions, video_ids)
        for video_id, position in zip(video_ids, found, strict=True):
            at = position or await to_thread.run_sync(self._find, video_id)
            if watch := self._watches.get(video_id):
                watch.tell(at)

    def _find(self, video_id: str) -> Position | None:
        """Look closer at a video that Redis does not know: it was erased, or Redis lost it."""
        try:
            state = self._lookup.find(video_id)
        except VideoNotFound:
            return None
        return Position(status=state.status, progress=state.progress)


def _is_further(one: Position, other: Position) -> bool:
    return (_ORDER[one.status], one.progress) > (_ORDER[other.status], other.progress)
