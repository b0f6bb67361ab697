"""Sends many videos to a server, a few at a time, and goes on where a run before ended."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from unmask_client.async_client import AsyncClient
from unmask_client.command.batch_display import BatchDisplay, Row
from unmask_client.command.journal import Entry, Journal, identity_of
from unmask_client.errors import (
    AccessRefused,
    ConnectionFailed,
    NotFound,
    TooManyRequests,
    UnexpectedAnswer,
    UnmaskClientError,
)
from unmask_client.models import AnalysisOptions, Video
from unmask_client.operations import is_url

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is done with each video of a batch.

    Attributes:
        options: Of the analysis.
        webhook_url: Where the outcome is sent.
        direct: Send files straight to the object store.
        wait: Wait for the verdict before the next video is sent.
        timeout_s: How long to wait for each.
    """

    options: AnalysisOptions
    webhook_url: str | None
    direct: bool
    wait: bool
    timeout_s: float | None


@dataclass(frozen=True, kw_only=True)
class End:
    """What became of one submission; None if it was not begun."""

    source: str
    outcome: Video | UnmaskClientError | None


class Batch:
    """One run of a batch."""

    def __init__(
        self,
        client: AsyncClient,
        *,
        server: str,
        wanted: Wanted,
        journal: Journal,
        display: BatchDisplay,
    ) -> None:
        """Prepare to send; `server` tells in the journal which one it is."""
        self._client = client
        self._server = server
        self._wanted = wanted
        self._journal = journal
        self._display = display
        self._is_stopped = False
        self._resume_at = 0.0

    async def run(self, sources: Sequence[str], *, parallel: int) -> list[End]:
        """Send all, so many at a time, and return their ends in the order of the sources.

        Each end is shown as soon as it is known. When the server cannot be reached, or does not
        take the key, what was not begun stays for another run.
        """
        ends: dict[str, UnmaskClientError | Video] = {}
        waiting = iter(sources)

        async def work() -> None:
            for source in self._until_stopped(waiting):
                ends[source] = await self._one(source)

        await asyncio.gather(*(work() for _ in range(min(parallel, len(sources)))))
        return [End(source=source, outcome=ends.get(source)) for source in sources]

    def _until_stopped(self, sources: Iterator[str]) -> Iterator[str]:
        while not self._is_stopped and (source := next(sources, None)) is not None:
            yield source

    async def _one(self, source: str) -> UnmaskClientError | Video:
        with self._display.row(source) as row:
            try:
                video = await self._to_its_end(source, row)
            except UnmaskClientError as error:  # the others go on
                self._is_stopped = self._is_stopped or _stops_all(error)
                row.show_error(error)
                return error
            row.show(video)
            return video

    async def _to_its_end(self, source: str, row: Row) -> Video:
        wanted = self._wanted
        identity = identity_of(
            source, wanted.options, webhook_url=wanted.webhook_url, server=self._server
        )
        before = self._journal.find(identity)
        if before is not None and before.video is not None:
            return before.video
        if before is not None and before.video_id is not None:
            video = await self._accepted_before(before.video_id)
        else:
            video = await self._submit(source, identity, row)
            self._journal.note_accepted(identity, video.id)
        if wanted.wait and not video.status.is_final:
            video = await self._client.wait(
                video.id, timeout_s=wanted.timeout_s, on_progress=row.follow
            )
        if video.status.is_final:
            self._journal.note_end(identity, video)
        return video

    async def _accepted_before(self, video_id: str) -> Video:
        try:
            return await self._client.get(video_id)
        except NotFound as error:
            error.action = (
                "It was accepted in a run before, and erased since. To send it again, begin "
                "another journal."
            )
            raise

    async def _submit(self, source: str, identity: str, row: Row) -> Video:
        entry = self._journal.begin(identity, source)
        if self._wanted.direct and not is_url(source):
            return await self._submit_directly(source, identity, entry, row)
        return await self._patiently(
            row,
            lambda: self._client.submit(
                source,
                self._wanted.options,
                webhook_url=self._wanted.webhook_url,
                idempotency_key=entry.key,
                on_upload=row.sent,
            ),
        )

    async def _submit_directly(self, source: str, identity: str, entry: Entry, row: Row) -> Video:
        upload_id = entry.upload_id

        async def send() -> Video:
            return await self._client.submit_directly(
                source,
                self._wanted.options,
                webhook_url=self._wanted.webhook_url,
                upload_id=upload_id,
                on_begun=lambda upload: note(upload.id),
                on_upload=row.sent,
            )

        def note(begun: str) -> None:
            nonlocal upload_id
            if begun != entry.upload_id:
                self._journal.note_upload(identity, begun)
            upload_id = begun

        try:
            return await self._patiently(row, send)
        except NotFound:
            if upload_id is None or upload_id != entry.upload_id:
                raise
        upload_id = None  # what a run before began has expired
        return await self._patiently(row, send)

    async def _patiently(self, row: Row, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again for as long as the server wants to be left alone, all workers alike."""
        loop = asyncio.get_running_loop()
        while True:
            # Those that wait together do not come back together.
            pause_s = (self._resume_at - loop.time()) * random.uniform(1, 1.25)
            if pause_s > 0:
                row.note("the server asks to wait")
                await asyncio.sleep(pause_s)
                continue
            try:
                return await ask()
            except TooManyRequests as error:
                self._resume_at = max(
                    self._resume_at, loop.time() + max(error.retry_after_s or 0.0, 1.0)
                )


def _stops_all(error: UnmaskClientError) -> bool:
    """Whether all others would meet the same."""
    if isinstance(error, ConnectionFailed):
        return not error.maybe_received
    return isinstance(error, AccessRefused | UnexpectedAnswer)
