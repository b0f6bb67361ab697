"""Batches as they are stored: accepted whole, then item by item.

`batch.json` is the proof that a batch was accepted. What became of an item is one object that is
created once (`items/NUMBER.json`): for a video it is what an Idempotency-Key is for a single one,
so an item that two gateways try at the same time, or that is tried again after a crash, becomes one
video. All else can be told from these objects, the videos themselves and Redis' view of them.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

import uuid_utils

from unmask_gateway.access.caller import Caller
from unmask_gateway.batches.documents import (
    Batch,
    BatchSubmission,
    BoundBatch,
    ItemOutcome,
    RefusedItem,
)
from unmask_gateway.batches.open_batches import OpenBatches
from unmask_gateway.idempotency import BoundKey
from unmask_gateway.webhooks.targets import WebhookTargets
from unmask_shared.artifacts import (
    BATCH_KEYS_PREFIX,
    BATCH_LISTS_PREFIX,
    BATCHES_PREFIX,
    batch_cancellation_key,
    batch_idempotency_key,
    batch_item_key,
    batch_items_prefix,
    batch_key,
    batch_list_key,
    batch_prefix,
    batch_webhook_name,
    record_key,
)
from unmask_shared.cancellation import cancel_video
from unmask_shared.erasure import erase_video
from unmask_shared.errors import (
    BatchNotFound,
    DamagedDocument,
    IdempotencyKeyReused,
    IdempotencyKeySpent,
    UnmaskError,
    VideoAlreadyEnded,
    VideoNotFound,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.videos import Cancellation, ErasedItem, Failure

log = logging.getLogger(__name__)

# Each may have as many records as a batch has items.
_MOST_REMEMBERED: Final = 50

Outcome = BoundKey | RefusedItem | ErasedItem


class Batches:
    """Accepts, finds, cancels and erases batches; safe to use from several threads."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        webhooks: WebhookTargets,
        open_batches: OpenBatches,
    ) -> None:
        self._store = store
        self._open = open_batches
        self._jobs = jobs
        self._webhooks = webhooks
        self._lock = Lock()
        # Outcomes hardly change, and are asked for again and again while a batch is followed.
        self._known: OrderedDict[str, dict[int, Outcome]] = OrderedDict()

    def begin(
        self, wanted: BatchSubmission, *, caller: Caller, idempotency_key: str | None
    ) -> tuple[Batch, bool]:
        """Accept a batch.

        Returns:
            The batch, and whether an earlier request with the same key brought it.

        Raises:
            WebhooksOff: It wants messages, which this installation does not send.
            SourceUrlRefused: It wants them sent where this installation does not send to.
            IdempotencyKeyReused: The key came with another batch.
            IdempotencyKeySpent: The batch of the key was deleted.
            TooManyOpenBatches: The caller has as many as he may have.
            ObjectStoreUnavailable: The store failed.
        """
        for url in (wanted.webhook_url, *(item.webhook_url for item in wanted.items)):
            self._webhooks.check(url)
        name = None
        if idempotency_key is not None:
            digest = hashlib.sha256(f"{caller.key_id or ''}\n{idempotency_key}".encode())
            name = batch_idempotency_key(digest.hexdigest())
        batch = Batch(
            id=str(uuid_utils.uuid7()),
            created_at=datetime.now(UTC),
            owner=caller.key_id,
            is_limited=caller.is_limited,
            total=len(wanted.items),
            webhook_url=wanted.webhook_url,
            idempotency=name,
        )
        fingerprint = _fingerprint(wanted)
        if name and (earlier := read_document(self._store, name, BoundBatch)):
            return self._replay(earlier, fingerprint, wanted), True
        self._open.open(batch, wanted.items)
        bound = BoundBatch(fingerprint=fingerprint, batch=batch)
        if name and (earlier := self._bind(name, bound)):  # it came twice at the same time
            self._open.close(batch.id)
            return self._replay(earlier, fingerprint, wanted), True
        self._write(batch)
        return batch, False

    def find(self, batch_id: str, caller: Caller) -> Batch:
        """A batch of this caller.

        Raises:
            BatchNotFound: There is none for this caller.
            DamagedDocument: It cannot be read.
            ObjectStoreUnavailable: The store failed.
        """
        batch = self.read(batch_id)
        if batch is None or not (caller.sees_all or batch.owner == caller.key_id):
            raise BatchNotFound(f"No batch has the id {batch_id}.")
        return batch

    def read(self, batch_id: str) -> Batch | None:
        """A batch, whoever asks; raises as `find` does."""
        return read_document(self._store, batch_key(batch_id), Batch)

    def outcomes(self, batch: Batch) -> Mapping[int, Outcome]:
        """What became of the items so far, by their number."""
        with self._lock:
            known = dict(self._known.get(batch.id, {}))
        if len(known) < batch.total:
            prefix = batch_items_prefix(batch.id)
            for key in self._store.keys(prefix):
                number = int(key.removeprefix(prefix).partition(".")[0])
                if number not in known and (found := read_document(self._store, key, ItemOutcome)):
                    known[number] = found.root
            with self._lock:
                self._known[batch.id] = known
                self._known.move_to_end(batch.id)
                while len(self._known) > _MOST_REMEMBERED:
                    self._known.popitem(last=False)
        return known

    def look_again(self, batch: Batch, number: int) -> Outcome | None:
        """What became of an item, past all that is remembered."""
        found = read_document(self._store, batch_item_key(batch.id, number), ItemOutcome)
        if found is None:
            return None
        with self._lock:
            if batch.id in self._known:
                self._known[batch.id] = self._known[batch.id] | {number: found.root}
        return found.root

    def without_outcome(self, batch: Batch) -> list[int]:
        """Numbers of the items that are still to be tried.

        Also of those that a gateway has begun to accept before it ended: they have no record.
        """
        known = self.outcomes(batch)
        return [
            number
            for number in range(batch.total)
            if (outcome := known.get(number)) is None
            or (
                isinstance(outcome, BoundKey)
                and not self._store.exists(record_key(outcome.record.id))
                and not isinstance(self.look_again(batch, number), ErasedItem)
            )
        ]

    def refuse(self, batch: Batch, number: int, error: UnmaskError) -> None:
        """Note why an item becomes no video; nothing happens if it has an outcome."""
        outcome = RefusedItem(refused=Failure.of(error))
        self._store.create(
            batch_item_key(batch.id, number),
            outcome.model_dump_json(indent=1).encode(),
            content_type="application/json",
        )

    # --- ending ------------------------------------------------------------------------------

    def is_cancelled(self, batch: Batch) -> bool:
        """Whether nobody wants the rest of it any more."""
        return self._store.exists(batch_cancellation_key(batch.id))

    def cancel(self, batch: Batch) -> None:
        """Accept no more of its items, and cancel its videos that have not ended."""
        now = datetime.now(UTC)
        write_document(
            self._store, batch_cancellation_key(batch.id), Cancellation(cancelled_at=now)
        )
        for video_id in self._videos(batch):
            self.cancel_one(video_id)

    def cancel_one(self, video_id: str) -> None:
        """Cancel a video of a batch that is cancelled."""
        try:
            cancel_video(self._store, self._jobs, video_id)
        except (VideoAlreadyEnded, VideoNotFound):
            return

    def erase(self, batch: Batch) -> None:
        """Erase a batch with all of its videos.

        Raises:
            DependencyUnavailable: A store failed; not all is erased, and the caller should try
                again.
        """
        # What a runner still accepts after this it erases itself.
        now = datetime.now(UTC)
        write_document(
            self._store, batch_cancellation_key(batch.id), Cancellation(cancelled_at=now)
        )
        for video_id in self._videos(batch):
            erase_video(self._store, self._jobs, video_id)
        self._open.close(batch.id)
        self._webhooks.forget(batch_webhook_name(batch.id))
        self._store.delete_prefix(batch_list_key(batch.id, batch.owner))
        self._store.delete_prefix(batch_items_prefix(batch.id))
        self._store.delete_prefix(batch_prefix(batch.id))
        if batch.idempotency:
            self._store.delete_prefix(batch.idempotency)
        with self._lock:
            self._known.pop(batch.id, None)
        log.info("batch erased", extra={"batch_id": batch.id})

    def forget(self, batch_id: str) -> None:
        """Drop what was noted of a batch that was never accepted."""
        for key in self._store.keys(BATCH_LISTS_PREFIX):
            if key.endswith(f"/{batch_id}"):
                self._store.delete_prefix(key)
        self._open.close(batch_id)

    def erase_older_than(self, age: timedelta) -> int:
        """Erase what is stored of old batches; their videos are as old, and erased elsewhere."""
        oldest = datetime.now(UTC) - age
        ids = [
            entry.key.split("/")[1]
            for entry in self._store.entries(BATCHES_PREFIX)
            if entry.key.endswith("/batch.json") and entry.modified_at < oldest
        ]
        for batch_id in ids:
            try:
                batch = self.read(batch_id)
            except DamagedDocument as error:  # which must not keep the others
                log.error("%s", error.detail, extra={"batch_id": batch_id})  # noqa: TRY400
                continue
            if batch:
                self.erase(batch)
        return len(ids)

    def erase_expired_keys(self, ttl: timedelta) -> int:
        """Forget the Idempotency-Keys that are older than this; returns how many there were."""
        oldest = datetime.now(UTC) - ttl
        entries = self._store.entries(BATCH_KEYS_PREFIX)
        expired = [entry.key for entry in entries if entry.modified_at < oldest]
        for key in expired:
            self._store.delete_prefix(key)
        return len(expired)

    def _bind(self, name: str, bound: BoundBatch) -> BoundBatch | None:
        data = bound.model_dump_json(indent=1).encode()
        while not self._store.create(name, data, content_type="application/json"):
            if earlier := read_document(self._store, name, BoundBatch):
                return earlier
        return None

    def _replay(self, earlier: BoundBatch, fingerprint: str, wanted: BatchSubmission) -> Batch:
        batch = earlier.batch
        if fingerprint != earlier.fingerprint:
            raise IdempotencyKeyReused(
                f"This Idempotency-Key came before with another batch, {batch.id}."
            )
        if self.read(batch.id) is None:
            if self._store.exists(batch_cancellation_key(batch.id)):
                raise IdempotencyKeySpent(
                    f"This Idempotency-Key stands for the batch {batch.id}, which is being deleted."
                )
            # The gateway that began it ended before it could write it.
            self._open.note(batch, wanted.items)
            self._write(batch)
        return batch

    def _write(self, batch: Batch) -> None:
        if batch.webhook_url is not None:
            self._webhooks.expect(batch_webhook_name(batch.id))
        listed = batch_list_key(batch.id, batch.owner)
        self._store.put(listed, b"", content_type="application/octet-stream")
        write_document(self._store, batch_key(batch.id), batch)
        log.info("batch accepted", extra={"batch_id": batch.id, "items": batch.total})

    def _videos(self, batch: Batch) -> list[str]:
        return [
            outcome.record.id
            for outcome in self.outcomes(batch).values()
            if isinstance(outcome, BoundKey)
        ]


def _fingerprint(wanted: BatchSubmission) -> str:
    # Defaults count like options that were not sent, as they do for single videos.
    asked = wanted.model_dump_json(exclude_defaults=True)
    return hashlib.sha256(asked.encode()).hexdigest()
