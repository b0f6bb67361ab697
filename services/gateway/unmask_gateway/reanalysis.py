"""Analyses a stored video again: a new video with the same file."""

import logging
from datetime import UTC, datetime

import uuid_utils

from unmask_gateway.model_choice import ModelChoice
from unmask_shared.artifacts import record_key, source_key
from unmask_shared.erasure import discard
from unmask_shared.errors import ObjectNotFound, VideoNotFound
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_shared.tracing import carried
from unmask_shared.videos import AnalysisOptions, VideoRecord

log = logging.getLogger(__name__)


class Reanalysis:
    """Makes videos of videos; safe to use from several threads."""

    def __init__(self, *, store: ObjectStore, models: ModelChoice) -> None:
        self._store = store
        self._models = models

    def begin(self, original: VideoRecord, options: AnalysisOptions) -> VideoRecord:
        """Copy the file inside the store and accept the copy as a video of its own.

        So each has one outcome, and each can be erased without the other. Whoever owns the one
        owns the other.

        Raises:
            UnknownModel: The options choose a model that is not published.
            ModelRefused: They choose one that the workers cannot use.
            VideoNotFound: The original was erased meanwhile.
            ObjectStoreUnavailable: The store failed.
        """
        model = self._models.pin(options)
        video_id = str(uuid_utils.uuid7())
        record = VideoRecord(
            id=video_id,
            created_at=datetime.now(UTC),
            upload=original.upload,
            options=options,
            owner=original.owner,
            model=model,
            analysis_of=original.id,
            trace=carried(),
        )
        try:
            self._store.copy(source_key(original.id), source_key(video_id))
            write_document(self._store, record_key(video_id), record)
        except ObjectNotFound as error:
            raise VideoNotFound(f"The file of the video {original.id} was erased.") from error
        except BaseException:
            discard(self._store, video_id)
            raise
        log.info("video accepted", extra={"video_id": video_id, "analysis_of": original.id})
        return record
