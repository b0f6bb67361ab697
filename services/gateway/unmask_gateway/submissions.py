"""Makes an upload a video: stored, recorded, queued."""

import logging
from collections import deque
from datetime import UTC, datetime
from typing import Final

import uuid_utils
from celery import Celery

from unmask_gateway.access.quotas import Quotas
from unmask_gateway.idempotency import BoundKey, IdempotencyKeys, fingerprint_of
from unmask_gateway.model_choice import ModelChoice
from unmask_gateway.uploads import Accepted, IncomingUpload
from unmask_gateway.webhooks.targets import WebhookTargets
from unmask_shared.artifacts import record_key, source_key
from unmask_shared.erasure import discard
from unmask_shared.errors import (
    DependencyUnavailable,
    IdempotencyKeyReused,
    IdempotencyKeySpent,
    UnmaskError,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_shared.sweeper import enqueue, priority_of
from unmask_shared.tracing import carried
from unmask_shared.videos import Upload, VideoRecord

log = logging.getLogger(__name__)

_MOST_LATE: Final = 10_000


class Submissions:
    """Accepts videos; safe to use from several threads."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        celery: Celery,
        models: ModelChoice,
        webhooks: WebhookTargets,
        quotas: Quotas,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._quotas = quotas
        self._models = models
        self._keys = IdempotencyKeys(store)
        self._jobs = jobs
        self._celery = celery
        # What falls out, or is lost with the process, is found by the sweeper minutes later.
        self._late: deque[VideoRecord] = deque(maxlen=_MOST_LATE)

    def keep(self, upload: IncomingUpload) -> Accepted:
        """Store an upload and its record; from then on the video is accepted.

        An upload that repeats an earlier one is only read, to be compared with it.

        Raises:
            IdempotencyKeyReused: Its key came with something else before.
            IdempotencyKeySpent: The video of its key was deleted.
            UnknownModel: It chooses a model that is not published.
            ModelRefused: It chooses one that the workers cannot use.
            WebhooksOff: It wants its outcome sent, which this installation does not do.
            SourceUrlRefused: It wants it sent where this installation does not send to.
            StorageQuotaExceeded: The videos of its key fill their room.
            TooManyUnfinishedVideos: As many as its key may have are not finished.
            QueueFull: As many videos wait as may.
            ObjectStoreUnavailable: The store failed.
            UnmaskError: The upload broke off, with the error it was aborted with.
        """
        key = upload.binding
        bound = self._keys.find(key) if key else None
        if bound:
            upload.stream.read_to_end()
            return self._replay(bound, _fingerprint(upload))
        # Refused now if the choice came before the file, and else when all has arrived.
        self._models.pin(upload.options())
        self._webhooks.check(upload.webhook_url())
        self._quotas.check_queue()
        video_id = str(uuid_utils.uuid7())
        self._quotas.reserve(upload.caller, video_id, size=upload.expected_bytes)
        try:
            self._store.put_stream(
                source_key(video_id), upload.stream, content_type=upload.content_type
            )
            self._quotas.reserve(upload.caller, video_id, size=upload.stream.bytes_read)
            record = VideoRecord(
                id=video_id,
                created_at=datetime.now(UTC),
                model=self._models.pin(upload.options()),
                upload=Upload(
                    filename=upload.filename,
                    content_type=upload.content_type,
                    bytes=upload.stream.bytes_read,
                    sha256=upload.stream.sha256,
                ),
                options=upload.options(),
                owner=upload.caller.key_id,
                idempotency=key,
                webhook_url=upload.webhook_url(),
                trace=carried(),
                batch=upload.batch,
            )
            self._webhooks.check(record.webhook_url)
            upload.stream.raise_if_aborted()
        except BaseException:
            self._give_up(upload.caller.key_id, video_id)
            raise
        return self.accept(record, _fingerprint(upload))

    def accept(self, record: VideoRecord, fingerprint: str) -> Accepted:
        """Accept a video whose file is stored, unless its key brought one meanwhile.

        Args:
            record: Names the key, if the client sent one.
            fingerprint: Of the request.

        Raises:
            IdempotencyKeyReused: Its key came with something else before.
            IdempotencyKeySpent: The video of its key was deleted.
            ObjectStoreUnavailable: The store failed.
        """
        # If this fails nothing is erased: the key may be bound all the same. The next try goes on
        # from here, or the sweeper erases what is left.
        key = record.idempotency
        bound = self._keys.bind(key, fingerprint, record) if key else None
        if bound:  # by the same request, which came twice and was faster the other time
            self._give_up(record.owner, record.id)
            return self._replay(bound, fingerprint)
        self._accept(record)
        return Accepted(record=record)

    def find_earlier(self, binding: str | None, fingerprint: str) -> Accepted | None:
        """Return the video that the same request brought before, if its key came before.

        Args:
            binding: Object key of what the request stands for.
            fingerprint: What tells the request from others.

        Raises:
            IdempotencyKeyReused: The key came with something else.
            IdempotencyKeySpent: The video of the key was deleted.
            ObjectStoreUnavailable: The store failed.
        """
        bound = self._keys.find(binding) if binding else None
        return self._replay(bound, fingerprint) if bound else None

    def _give_up(self, owner: str | None, video_id: str) -> None:
        discard(self._store, video_id)
        self._quotas.release(owner, video_id)

    def _accept(self, record: VideoRecord) -> None:
        try:
            if record.webhook_url is not None:
                self._webhooks.expect(record.id)
            write_document(self._store, record_key(record.id), record)
        except UnmaskError:
            # The next try with the same key goes on from here.
            if record.idempotency is None:
                discard(self._store, record.id)
            raise
        log.info("video accepted", extra={"video_id": record.id, "bytes": record.upload.bytes})

    def _replay(self, bound: BoundKey, fingerprint: str) -> Accepted:
        record = bound.record
        if fingerprint != bound.fingerprint:
            raise IdempotencyKeyReused(
                f"This Idempotency-Key came before with another request, which became the video "
                f"{record.id}."
            )
        if not self._store.exists(record_key(record.id)):
            if not self._store.exists(source_key(record.id)):
                raise IdempotencyKeySpent(
                    f"This Idempotency-Key stands for the video {record.id}, which was deleted."
                )
            # The gateway that stored the file ended before it could write the record.
            self._accept(record)
            self.announce(record)
        return Accepted(record=record, is_replay=True)

    def announce(self, record: VideoRecord) -> None:
        """Show the video as queued and send it to the workers, later if Redis is away."""
        try:
            self._announce(record)
        except DependencyUnavailable as error:
            log.warning("queued later: %s", error.detail, extra={"video_id": record.id})
            self._late.append(record)

    def announce_late(self) -> None:
        """Try once more to send what could not be sent when it was accepted.

        Raises:
            DependencyUnavailable: Redis is still away; nothing is forgotten.
        """
        while self._late:
            self._announce(self._late[0])
            self._late.popleft()

    def _announce(self, record: VideoRecord) -> None:
        self._jobs.accept(record)
        enqueue(
            self._celery,
            self._jobs,
            record.id,
            priority=priority_of(record),
            trace=record.trace,
        )


def _fingerprint(upload: IncomingUpload) -> str:
    """What tells an upload that was read to its end from others."""
    if upload.origin is not None:
        return fingerprint_of(upload.origin, upload.options(), webhook_url=upload.webhook_url())
    return fingerprint_of(
        f"sha256:{upload.stream.sha256}",
        upload.options(),
        filename=upload.filename,
        webhook_url=upload.webhook_url(),
    )
