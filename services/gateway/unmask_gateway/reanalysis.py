"""Analyses a stored video again: a new video with the same file."""

from datetime import UTC, datetime

import uuid_utils

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
        self, *, store: ObjectStore, models: ModelChoice, submissions: Submissions
    ) -> None:
        self._store = store
        self._models = models
        self._submissions = submissions

    def begin(
        self,
        original: VideoRecord,
        options: AnalysisOptions,
        *,
        caller: str | None,
        idempotency_key: str | None,
    ) -> Accepted:
        """Copy the file inside the store and accept the copy as a video of its own.

        So each has one outcome, and each can be erased without the other. Whoever owns the one
        owns the other.

        Args:
            original: The video whose file it is.
            options: What is asked for.
            caller: Id of the API key that asks, which need not be the owner.
            idempotency_key: What the client sent to be recognised by.

        Raises:
            IdempotencyKeyReused: The key came with something else before.
            IdempotencyKeySpent: The video of the key was deleted.
            UnknownModel: The options choose a model that is not published.
            ModelRefused: They choose one that the workers cannot use.
            VideoNotFound: The original was erased meanwhile.
            ObjectStoreUnavailable: The store failed.
        """
        fingerprint = fingerprint_of(f"video:{original.id}", options)
        earlier = self._submissions.find_earlier(idempotency_key, caller, fingerprint)
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
            idempotency=IdempotencyKeys.name(idempotency_key, caller),
        )
        try:
            self._store.copy(source_key(original.id), source_key(record.id))
        except ObjectNotFound as error:
            raise VideoNotFound(f"The file of the video {original.id} was erased.") from error
        except BaseException:
            discard(self._store, record.id)
            raise
        return self._submissions.accept(record, fingerprint)
