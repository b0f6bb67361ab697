"""Makes videos of the items of batches, a few at a time, beside the requests of others.

Any number of gateways may run it: each batch is one gateway's turn, kept while it works on it and
free for others seconds after it ended.
"""

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from datetime import timedelta
from typing import Final

from anyio import to_thread

from unmask_gateway.access.caller import EVERYBODY, Caller
from unmask_gateway.access.errors import TooManyUnfinishedVideos
from unmask_gateway.access.keys import Scope
from unmask_gateway.batches.batches import Batches
from unmask_gateway.batches.documents import Batch
from unmask_gateway.batches.open_batches import OpenBatches
from unmask_gateway.json_submissions import JsonSubmissions, VideoSubmission
from unmask_gateway.submissions import Submissions
from unmask_shared.artifacts import batch_item_key
from unmask_shared.erasure import erase_video
from unmask_shared.errors import (
    DamagedDocument,
    DependencyUnavailable,
    QueueFull,
    TooManyUploads,
    UnmaskError,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore

log = logging.getLogger(__name__)

# Of `max_parallel_uploads`; the rest is for those who wait for an answer.
_MOST_AT_ONCE: Final = 3
_MOST_BATCHES: Final = 8
_LOOK_EVERY_S: Final = 2.0
# Files are asked for each time, so not too often.
_WHILE_FULL_S: Final = 5.0
_TURN_S: Final = 15.0
_KEEP_EVERY_S: Final = 4.0
# A request that is being accepted has a mark before it has a document.
_WITHOUT_DOCUMENT: Final = timedelta(minutes=10)

# Not the item's fault: it is tried again.
_LATER: Final = (DependencyUnavailable, TooManyUploads, TooManyUnfinishedVideos, QueueFull)


class BatchRunner:
    """Works on open batches; for one event loop."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        batches: Batches,
        open_batches: OpenBatches,
        submissions: Submissions,
        json_submissions: JsonSubmissions,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._batches = batches
        self._open = open_batches
        self._submissions = submissions
        self._json_submissions = json_submissions
        self._name = uuid.uuid4().hex
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._orphans: dict[str, float] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now: there is a new batch."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; dependencies that are down are waited for."""
        try:
            while True:
                try:
                    await self._look()
                except DependencyUnavailable as error:
                    log.warning("batches wait: %s", error.detail)
                except Exception:
                    log.exception("looking for batches failed and goes on")
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._wake.wait()
        finally:
            ended = list(self._running.values())
            for task in ended:
                task.cancel()
            await asyncio.gather(*ended, return_exceptions=True)

    async def _look(self) -> None:
        for batch_id in await to_thread.run_sync(self._open.ids):
            if batch_id in self._running:
                continue
            if len(self._running) >= _MOST_BATCHES:
                return
            if await self._take_turn(batch_id):
                self._running[batch_id] = asyncio.create_task(self._work_on(batch_id))

    async def _take_turn(self, batch_id: str) -> bool:
        return await to_thread.run_sync(
            self._jobs.take_turn, f"batch-{batch_id}", self._name, _TURN_S
        )

    async def _work_on(self, batch_id: str) -> None:
        keeping = asyncio.create_task(self._keep_turn(batch_id))
        try:
            batch = await to_thread.run_sync(self._batches.read, batch_id)
            if batch is None:
                await self._forget_orphan(batch_id)
            else:
                await self._accept_items(batch)
                await to_thread.run_sync(self._open.close, batch_id)
        except _LATER as error:
            log.info("a batch waits: %s", error.detail, extra={"batch_id": batch_id})
            is_full = isinstance(error, TooManyUnfinishedVideos | QueueFull)
            await asyncio.sleep(_WHILE_FULL_S if is_full else _LOOK_EVERY_S)
        except DamagedDocument as error:
            log.error("%s", error.detail, extra={"batch_id": batch_id})  # noqa: TRY400 - no bug of ours
            await to_thread.run_sync(self._open.close, batch_id)
        except Exception:
            log.exception("a batch failed and is tried again", extra={"batch_id": batch_id})
            await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            keeping.cancel()
            del self._running[batch_id]
            with contextlib.suppress(DependencyUnavailable):
                await to_thread.run_sync(self._jobs.end_turn, f"batch-{batch_id}", self._name)

    async def _keep_turn(self, batch_id: str) -> None:
        while True:
            await asyncio.sleep(_KEEP_EVERY_S)
            with contextlib.suppress(DependencyUnavailable):
                # Whoever takes it meanwhile does what is done here once more, to no effect.
                await self._take_turn(batch_id)

    async def _accept_items(self, batch: Batch) -> None:
        """Try all items that have no outcome; each has one then.

        Raises:
            UnmaskError: One that is to be tried again.
        """
        missing = deque(await to_thread.run_sync(self._batches.without_outcome, batch))
        try:
            items = await to_thread.run_sync(self._open.items, batch)
        except DamagedDocument as error:
            log.error("%s", error.detail, extra={"batch_id": batch.id})  # noqa: TRY400 - no bug of ours
            for number in missing:
                await to_thread.run_sync(self._batches.refuse, batch, number, error)
            return
        if not items:
            return  # another gateway was faster
        ends = await asyncio.gather(
            *(self._accept_some(batch, items, missing) for _ in range(_MOST_AT_ONCE)),
            return_exceptions=True,
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _accept_some(
        self, batch: Batch, items: tuple[VideoSubmission, ...], missing: deque[int]
    ) -> None:
        while missing:
            number = missing.popleft()
            async with self._room:
                if await to_thread.run_sync(self._batches.is_cancelled, batch):
                    missing.clear()
                    return
                try:
                    await self._accept(batch, number, items[number])
                except _LATER:
                    missing.clear()  # the others would not fare better
                    raise
                except UnmaskError as error:
                    await to_thread.run_sync(self._batches.refuse, batch, number, error)
                except Exception:
                    log.exception("an item of a batch failed", extra={"batch_id": batch.id})
                    await to_thread.run_sync(self._batches.refuse, batch, number, UnmaskError())

    async def _accept(self, batch: Batch, number: int, item: VideoSubmission) -> None:
        accepted = await self._json_submissions.accept(
            item,
            caller=_caller_of(batch),
            binding=batch_item_key(batch.id, number),
            batch=batch.id,
        )
        record = accepted.record
        if not accepted.is_replay:
            await to_thread.run_sync(self._submissions.announce, record)
        if await to_thread.run_sync(self._batches.read, batch.id) is None:
            # The batch was erased while this item arrived.
            await to_thread.run_sync(erase_video, self._store, self._jobs, record.id)
            await to_thread.run_sync(self._store.delete_prefix, batch_item_key(batch.id, number))
        elif await to_thread.run_sync(self._batches.is_cancelled, batch):
            await to_thread.run_sync(self._batches.cancel_one, record.id)

    async def _forget_orphan(self, batch_id: str) -> None:
        clock = asyncio.get_running_loop().time
        since = self._orphans.setdefault(batch_id, clock())
        if clock() - since > _WITHOUT_DOCUMENT.total_seconds():
            await to_thread.run_sync(self._batches.forget, batch_id)
            del self._orphans[batch_id]
        else:
            await asyncio.sleep(_LOOK_EVERY_S)


def _caller_of(batch: Batch) -> Caller:
    if batch.owner is None:
        return EVERYBODY
    scope = Scope.SUBMIT if batch.is_limited else Scope.ADMIN
    return Caller(key_id=batch.owner, scopes=frozenset({scope}))
