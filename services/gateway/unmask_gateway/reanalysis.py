"""Analyses a stored video again: a new video with the same file."""

from datetime import UTC, datetime

import uuid_utils

from unmask_gateway.access.caller import Caller
from unmask_gateway.access.quotas import Quotas
from unmask_gateway.idempotency import IdempotencyKeys, fingerprint_of
from unmask_gateway.model_choice import ModelChoice
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import Accepted
from unmask_shared.artifacts import source_key
from unmask_shared.erasure import discard
from unmask_shared.errors import ObjectNotFound, VideoNotFound
from unmask_shared.object_store import ObjectStore
from unmask_shared.tracing import carried
from unmask_shared.videos import AnalysisOptions, VideoRecord


class Reanalysis:
    """Makes videos of videos; safe to use from several threads."""

    def __init__(
        self, *, store: ObjectStore, models: ModelChoice, submissions: Submissions, quotas: Quotas
    ) -> None:
        self._store = store
        self._models = models
        self._submissions = submissions
        self._quotas = quotas

    def begin(
        self,
        original: VideoRecord,
        options: AnalysisOptions,
        *,
        caller: Caller,
        idempotency_key: str | None,
    ) -> Accepted:
        """Copy the file inside the store and accept the copy as a video of its own.

        So each has one outcome, and each can be erased without the other. Whoever owns the one
        owns the other.

        Args:
            original: The video whose file it is.
            options: What is asked for.
            caller: Who asks, which need not be the owner.
            idempotency_key: What the client sent to be recognised by.

        Raises:
            IdempotencyKeyReused: The key came with something else before.
            IdempotencyKeySpent: The video of the key was deleted.
            UnknownModel: The options choose a model that is not published.
            ModelRefused: They choose one that the workers cannot use.
            StorageQuotaExceeded: The videos of the caller's key fill their room.
            TooManyUnfinishedVideos: As many as the key may have are not finished.
            QueueFull: As many videos wait as may.
            VideoNotFound: The original was erased meanwhile.
            ObjectStoreUnavailable: The store failed.
        """
        fingerprint = fingerprint_of(f"video:{original.id}", options)
        binding = IdempotencyKeys.name(idempotency_key, caller.key_id)
        earlier = self._submissions.find_earlier(binding, fingerprint)
        if earlier is not None:
            return earlier
        record = VideoRecord(
            id=str(uuid_utils.uuid7()),
            created_at=datetime.now(UTC),
            upload=original.upload,
            options=options,
            owner=original.owner,
            model=self._models.pin(options),
            analysis_of=original.id,
            trace=carried(),
            idempotency=binding,
        )
        self._quotas.check_queue()
        self._quotas.reserve(caller, record.id, size=original.upload.bytes)
        try:
            self._store.copy(source_key(original.id), source_key(record.id))
        except BaseException as error:
            discard(self._store, record.id)
            self._quotas.release(caller.key_id, record.id)
            if isinstance(error, ObjectNotFound):
                raise VideoNotFound(f"The file of the video {original.id} was erased.") from error
            raise
        return self._submissions.accept(record, fingerprint)
