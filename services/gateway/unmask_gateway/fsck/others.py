"""Checks what lies in the object store beside videos, and what Redis shows without a video."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final

from unmask_gateway.abandoned import abandoned_writes
from unmask_gateway.access.key_store import KEYS_PREFIX, read_key
from unmask_gateway.direct_uploads import DirectUpload
from unmask_gateway.fsck.findings import Finding, Kind
from unmask_gateway.fsck.mending import Mender
from unmask_gateway.fsck.stored import older_than, read
from unmask_gateway.idempotency import BoundKey
from unmask_gateway.webhooks.documents import Delivery
from unmask_shared.artifacts import (
    IDEMPOTENCY_PREFIX,
    UPLOADS_PREFIX,
    WEBHOOKS_PREFIX,
    batch_key,
    batch_named_in,
    record_key,
    source_key,
    upload_file_key,
    upload_key,
    webhook_log_key,
)
from unmask_shared.errors import DamagedDocument
from unmask_shared.job_store import RedisJobStore, Wanted
from unmask_shared.object_store import ObjectStore, UnfinishedWrite

_PAGE: Final = 200
# The gateway's chore comes every ten minutes.
_CHORE: Final = timedelta(minutes=30)


def idempotency_keys(store: ObjectStore, mender: Mender, patience: timedelta) -> Iterator[Finding]:
    """Keys that stand for nothing."""
    for entry in older_than(store.entries(IDEMPOTENCY_PREFIX), patience):
        bound = read(store, entry.key, BoundKey)
        detail = bound.damage
        if bound.document:
            video_id = bound.document.record.id
            if store.exists(record_key(video_id)) or store.exists(source_key(video_id)):
                continue
            detail = f"It stands for the video {video_id}, of which nothing is there."
        if detail:  # otherwise it was erased meanwhile
            yield Finding(
                kind=Kind.IDEMPOTENCY_DANGLING,
                subject=entry.key,
                detail=detail,
                mend=partial(mender.erase_key, entry.key),
            )


def webhooks(store: ObjectStore, mender: Mender, patience: timedelta) -> Iterator[Finding]:
    """Notes that a message is due, where none is."""
    for entry in older_than(store.entries(WEBHOOKS_PREFIX), patience):
        name = entry.key.removeprefix(WEBHOOKS_PREFIX)
        delivery = read(store, webhook_log_key(name), Delivery).document
        batch_id = batch_named_in(name)
        if not store.exists(record_key(name) if batch_id is None else batch_key(batch_id)):
            detail = "A message is to be sent about a video or a batch that is not there."
        elif delivery and delivery.next_attempt_at is None:
            detail = f"A message is to be sent, and was {delivery.status} already."
        else:
            continue
        yield Finding(
            kind=Kind.WEBHOOK_STALE,
            subject=entry.key,
            detail=detail,
            mend=partial(mender.erase_key, entry.key),
        )


def api_keys(store: ObjectStore) -> Iterator[Finding]:
    """Documents that are no longer those of a key; nobody can know what was in them."""
    for document in store.keys(KEYS_PREFIX):
        try:
            read_key(store, document)
        except DamagedDocument as error:
            yield Finding(kind=Kind.KEY_UNREADABLE, subject=document, detail=error.detail)


def uploads(store: ObjectStore, ttl: timedelta) -> Iterator[Finding]:
    """Direct uploads that should have been erased."""
    now = datetime.now(UTC)
    entries = store.entries(UPLOADS_PREFIX)
    for upload_id, objects in groupby(entries, key=lambda entry: entry.key.split("/")[1]):
        written_at = max(entry.modified_at for entry in objects)
        upload = read(store, upload_key(upload_id), DirectUpload)
        expires_at = upload.document.expires_at if upload.document else written_at + ttl
        if now < expires_at + _CHORE:
            continue
        yield Finding(
            kind=Kind.UPLOAD_EXPIRED,
            subject=upload_id,
            detail=upload.damage or f"It expired at {expires_at:%Y-%m-%d %H:%M} UTC.",
            mend=partial(_erase_upload, store, upload_id, upload.document),
        )


def _erase_upload(store: ObjectStore, upload_id: str, upload: DirectUpload | None) -> str:
    if upload is not None:
        parts = UnfinishedWrite(
            name=upload.transfer, key=upload_file_key(upload_id), active_at=upload.created_at
        )
        store.drop_unfinished(parts)
    store.delete_prefix(f"{UPLOADS_PREFIX}{upload_id}/")
    return "erased, with its parts"


def writes(store: ObjectStore, patience: timedelta) -> Iterator[Finding]:
    """What killed processes have left half-way."""
    for write in abandoned_writes(store, patience):
        yield Finding(
            kind=Kind.WRITE_ABANDONED,
            subject=write.key or write.name,
            detail=f"Nothing was added to it since {write.active_at:%Y-%m-%d %H:%M} UTC.",
            mend=partial(_drop, store, write),
        )


def _drop(store: ObjectStore, write: UnfinishedWrite) -> str:
    store.drop_unfinished(write)
    return "erased"


def ghosts(
    store: ObjectStore, jobs: RedisJobStore, mender: Mender, stuck_after: timedelta
) -> Iterator[Finding]:
    """Videos that Redis shows, and of which the store has nothing."""
    for video_id in _shown(jobs, stuck_after):
        # With a file, the view may be all that is left of the record.
        if store.exists(record_key(video_id)) or store.exists(source_key(video_id)):
            continue
        if not jobs.is_leased(video_id):
            yield Finding(
                kind=Kind.GHOST,
                subject=video_id,
                detail="Redis shows it, the store has nothing of it.",
                mend=partial(mender.forget, video_id),
            )


def _shown(jobs: RedisJobStore, idle: timedelta) -> Iterator[str]:
    place: str | None = None
    while True:
        page = jobs.catalogue.page(Wanted(), limit=_PAGE, after=place)
        yield from (video.id for video in page.videos)
        place = page.next_place
        if place is None:
            break
    # Views without a place in the list, of which workers may have just begun one.
    for video_id in jobs.active(idle_s=idle.total_seconds()):
        [position] = jobs.catalogue.positions([video_id])
        if position is None:
            yield video_id
