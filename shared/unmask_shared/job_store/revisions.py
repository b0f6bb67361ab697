"""Tells cheaply whether the live view of a video still says what it said, for an event loop.

Whoever has made something of a view, an answer perhaps, can use it again while the revision is the
same. Requests that come while Redis is asked share the next question, so that a busy server asks
once for many.
"""

import asyncio
from collections.abc import Awaitable
from functools import lru_cache
from typing import Final, cast

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from unmask_shared.job_store.connection import Keys
from unmask_shared.job_store.state import (
    MARK_ACCEPTED,
    MARK_INFERRING,
    MARK_PREPROCESSED,
    MARK_PREPROCESSING,
    JobState,
)
from unmask_shared.settings import JobSettings

_MARKS: Final = (MARK_ACCEPTED, MARK_PREPROCESSING, MARK_PREPROCESSED, MARK_INFERRING)
_FIELDS: Final = ("status", "progress", *(f"at:{mark}" for mark in _MARKS))
# One string for each view: parsing many small answers would cost more than all else.
_SCRIPT: Final = """
local found = {}
for i, key in ipairs(KEYS) do
  local fields = redis.call('HMGET', key, unpack(ARGV))
  for j, field in ipairs(fields) do fields[j] = field or '' end
  found[i] = table.concat(fields, ' ')
end
return found
"""
_TIMEOUT_S: Final = 2
# Those who came during a question wait so long for others to share the next one.
_GATHER_S: Final = 0.001

Revision = tuple[str, ...]


class Revisions:
    """Reads revisions of live views; for one event loop."""

    def __init__(self, client: "Redis", *, namespace: str = "unmask") -> None:
        self._redis = client
        self._keys = Keys(namespace=namespace)
        self._script = client.register_script(_SCRIPT)
        self._waiting: list[tuple[str, asyncio.Future[str | None]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def of(self, video_id: str) -> Revision | None:
        """The revision at this moment; None when Redis does not tell."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((video_id, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        found = await answer
        return None if found is None else _read(found)

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def _ask(self) -> None:
        pause_s = 0.0
        try:
            while self._waiting:
                await asyncio.sleep(pause_s)
                pause_s = _GATHER_S
                batch, self._waiting = self._waiting, []
                keys = [self._keys.view(video_id) for video_id, _ in batch]
                try:
                    found = await cast(
                        "Awaitable[list[str | None]]", self._script(keys=keys, args=_FIELDS)
                    )
                except redis.RedisError:
                    found = [None] * len(batch)  # who asked finds out what is wrong
                for (_, answer), text in zip(batch, found, strict=True):
                    if not answer.done():  # whoever asked may be gone
                        answer.set_result(text)
        finally:
            self._asking = None


def revision_of(state: JobState) -> Revision:
    """The revision of a view that was read as a whole."""
    marks = (state.marks.get(mark) for mark in _MARKS)
    return (
        str(state.status),
        repr(state.progress),
        *("" if moment is None else repr(moment) for moment in marks),
    )


@lru_cache(maxsize=1024)  # most are asked for again and again
def _read(text: str) -> Revision:
    status, *numbers = text.split(" ")
    return (status, *(repr(float(number)) if number else "" for number in numbers))


def make_revisions(settings: JobSettings) -> Revisions:
    """Build the reader for the Redis that the settings name, without touching the network."""
    client = Redis.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), retries=1),  # a connection that Redis closed while it was idle
    )
    return Revisions(client)
