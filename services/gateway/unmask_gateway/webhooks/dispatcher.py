"""Delivers the message about a video's end, again and again until it is taken.

That a message is due is an object in the store (`webhooks/ID`), written before the video's record
and erased when the message was taken or given up. So nothing is forgotten by a restart, and a
message that was sent just before one is sent again, with the same id.
"""

import asyncio
import logging
import random
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from anyio import to_thread
from pydantic import BaseModel, SerializeAsAny

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.outbound.client import OutboundClient, RequestFailed
from unmask_gateway.schemas import Video
from unmask_gateway.webhooks.documents import Attempt, Delivery, DeliveryStatus
from unmask_gateway.webhooks.settings import WebhookSettings, key_of
from unmask_gateway.webhooks.signing import signed_headers
from unmask_shared.artifacts import WEBHOOKS_PREFIX, batch_named_in, webhook_key, webhook_log_key
from unmask_shared.errors import (
    BatchNotFound,
    DamagedDocument,
    DependencyUnavailable,
    SourceUrlRefused,
    VideoNotFound,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.subject import about
from unmask_shared.tracing import continued, span

log = logging.getLogger(__name__)

# Over about a day.
RETRY_S: Final = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
_JITTER: Final = 0.1
_GONE: Final = 410
_MOST_AT_ONCE: Final = 16
_PAUSE_S: Final = 1.0
_LIST_EVERY: Final = timedelta(seconds=5)
_LOOK_AGAIN: Final = timedelta(seconds=2)
# Longer than a round of deliveries may take.
_TURN_S: Final = 120.0
_ROLE: Final = "webhooks"
# A request that is being accepted has a message before it has a record.
_RECORD_PATIENCE: Final = timedelta(minutes=10)


class Event(BaseModel):
    """The body of a message."""

    type: str
    timestamp: datetime
    data: SerializeAsAny[BaseModel]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a message is about.

    Attributes:
        event: What happened to it, such as `video.completed`.
        url: Where the message goes; None if nobody wants one.
        data: What is told of it.
        trace: `traceparent` of the request that brought it, if that was traced.
    """

    event: str
    url: str | None
    data: BaseModel
    trace: str | None = None


LookAtBatch = Callable[[str], Ended | None]
"""Tells how the batch with this id has ended, None while it has not; raises `BatchNotFound`."""


@dataclass(frozen=True, kw_only=True)
class DueMessage:
    """A message to send now."""

    delivery: Delivery
    body: bytes
    trace: str | None


class WebhookDispatcher:
    """Sends messages; any number may run, one at a time acts."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        lookup: VideoLookup,
        client: OutboundClient,
        key: bytes,
        timeout_s: float,
        look_at_batch: LookAtBatch | None = None,
        retry_s: Sequence[float] = RETRY_S,
    ) -> None:
        """Prepare to send.

        Args:
            store: Keeps what is due and what became of it.
            jobs: Says whose turn it is.
            lookup: Tells how videos ended.
            client: Sends where that is allowed.
            key: Signs.
            timeout_s: A receiver may take so long.
            look_at_batch: Tells how batches ended, where there are any.
            retry_s: Seconds from each attempt that failed to the next one.
        """
        self._store = store
        self._jobs = jobs
        self._lookup = lookup
        self._client = client
        self._key = key
        self._timeout_s = timeout_s
        self._look_at_batch = look_at_batch
        self._retry_s = retry_s
        self._name = uuid.uuid4().hex
        self._due: dict[str, datetime] = {}
        self._expected_at: dict[str, datetime] = {}
        self._listed_at = datetime.min.replace(tzinfo=UTC)

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; dependencies that are down are waited for."""
        while not stop.wait(_PAUSE_S):
            try:
                if self._jobs.take_turn(_ROLE, self._name, _TURN_S):
                    self.send_due()
            except DependencyUnavailable as error:
                log.warning("webhooks wait: %s", error.detail)
        with suppress(DependencyUnavailable):
            self._jobs.end_turn(_ROLE, self._name)

    def send_due(self) -> None:
        """Send the messages that are due, a limited number at once.

        Raises:
            DependencyUnavailable: The object store does not answer.
        """
        now = datetime.now(UTC)
        if now - self._listed_at > _LIST_EVERY:
            self._expected_at = {
                entry.key.removeprefix(WEBHOOKS_PREFIX): entry.modified_at
                for entry in self._store.entries(WEBHOOKS_PREFIX)
            }
            self._due = {name: self._due.get(name, now) for name in self._expected_at}
            self._listed_at = now
        due = sorted((at, video_id) for video_id, at in self._due.items() if at <= now)
        if due:
            asyncio.run(self._send_all([video_id for _, video_id in due[:_MOST_AT_ONCE]]))

    async def _send_all(self, video_ids: Sequence[str]) -> None:
        await asyncio.gather(*map(self._send, video_ids))

    async def _send(self, video_id: str) -> None:
        message = await to_thread.run_sync(self._prepare, video_id)
        if message is None:
            return
        with (
            about(video_id=video_id, attempt=len(message.delivery.attempts) + 1),
            continued(message.trace),
            span("webhook", kind="client"),
        ):
            attempt = await self._post(message)
        await to_thread.run_sync(self._note, video_id, message.delivery, attempt)

    def _prepare(self, video_id: str) -> DueMessage | None:
        """The message about a video; None if it is not time for it, or never will be."""
        now = datetime.now(UTC)
        self._due[video_id] = now + _LOOK_AGAIN
        try:
            ended = self._look(video_id)
            if ended is None:
                return None
            delivery = read_document(self._store, webhook_log_key(video_id), Delivery)
        except (VideoNotFound, BatchNotFound):
            if now - self._expected_at[video_id] > _RECORD_PATIENCE:
                self._forget(video_id)  # it was deleted
            return None
        except DamagedDocument as error:
            log.error("no webhook: %s", error.detail, extra={"video_id": video_id})  # noqa: TRY400 - no bug of ours
            self._forget(video_id)
            return None
        delivery = delivery or _first(video_id, ended, now)
        if delivery is None or delivery.next_attempt_at is None:
            self._forget(video_id)
            return None
        if delivery.next_attempt_at > now:
            self._due[video_id] = delivery.next_attempt_at
            return None
        event = Event(
            type=delivery.event, timestamp=delivery.created_at, data=ended.data
        ).model_dump_json()
        return DueMessage(delivery=delivery, body=event.encode(), trace=ended.trace)

    def _look(self, name: str) -> Ended | None:
        """How a video or a batch has ended; None while it has not."""
        batch_id = batch_named_in(name)
        if batch_id is not None:
            return self._look_at_batch(batch_id) if self._look_at_batch else None
        state = self._lookup.find(name)
        if not state.status.is_final:
            return None
        return Ended(
            event=f"video.{state.status}",
            url=state.record.webhook_url,
            data=Video.of(state),
            trace=state.record.trace,
        )

    async def _post(self, message: DueMessage) -> Attempt:
        now = datetime.now(UTC)
        headers = signed_headers(
            self._key, message_id=message.delivery.id, body=message.body, now=now
        )
        headers |= {"Content-Type": "application/json", "User-Agent": "Unmask-Webhooks"}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.send(
                    "POST", message.delivery.url, headers=headers, content=message.body
                ) as response,
            ):
                status: int = response.status
        except (RequestFailed, SourceUrlRefused) as error:
            return Attempt(at=now, status_code=None, error=str(error))
        except TimeoutError:
            return Attempt(at=now, status_code=None, error="the receiver takes too long")
        is_taken = 200 <= status < 300
        return Attempt(
            at=now, status_code=status, error=None if is_taken else "the receiver refused"
        )

    def _note(self, video_id: str, before: Delivery, attempt: Attempt) -> None:
        tries = len(before.attempts)
        next_at: datetime | None = None
        if attempt.error is None:
            status = DeliveryStatus.DELIVERED
        elif attempt.status_code == _GONE or tries >= len(self._retry_s):
            status = DeliveryStatus.GIVEN_UP
        else:
            status = DeliveryStatus.WAITING
            pause_s = self._retry_s[tries] * random.uniform(1 - _JITTER, 1 + _JITTER)
            next_at = datetime.now(UTC) + timedelta(seconds=pause_s)
        after = before.model_copy(
            update={
                "status": status,
                "attempts": (*before.attempts, attempt),
                "next_attempt_at": next_at,
            }
        )
        write_document(self._store, webhook_log_key(video_id), after)
        log.info(
            "webhook %s", status, extra={"video_id": video_id, "status_code": attempt.status_code}
        )
        if next_at is None:
            self._forget(video_id)
        else:
            self._due[video_id] = next_at

    def _forget(self, video_id: str) -> None:
        self._store.delete_prefix(webhook_key(video_id))
        self._due.pop(video_id, None)


def make_dispatcher(
    *,
    store: ObjectStore,
    jobs: RedisJobStore,
    lookup: VideoLookup,
    settings: WebhookSettings,
    look_at_batch: LookAtBatch,
) -> WebhookDispatcher | None:
    """Build a dispatcher, or None where there is no secret to sign with."""
    if settings.secret is None:
        return None
    return WebhookDispatcher(
        store=store,
        jobs=jobs,
        lookup=lookup,
        client=OutboundClient(settings, idle_timeout_s=settings.timeout_s),
        key=key_of(settings.secret),
        timeout_s=settings.timeout_s,
        look_at_batch=look_at_batch,
    )


def _first(name: str, ended: Ended, now: datetime) -> Delivery | None:
    """The message about what has ended, before any attempt."""
    if ended.url is None:
        return None
    return Delivery(
        id=f"msg_{name}", event=ended.event, url=ended.url, created_at=now, next_attempt_at=now
    )
