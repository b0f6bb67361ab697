"""Finds out where a video stands, from Redis or from what is stored for good."""

import logging

from unmask_shared.artifacts import (
    cancellation_key,
    failure_key,
    heatmap_key,
    landmarks_key,
    record_key,
    result_key,
    thumbnail_key,
)
from unmask_shared.errors import JobStoreUnavailable, ObjectNotFound, VideoNotFound
from unmask_shared.job_store import MARK_ACCEPTED, JobState, RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, restore_view
from unmask_shared.videos import Cancellation, Failure, Status, VideoRecord, VideoResult

log = logging.getLogger(__name__)


class VideoLookup:
    """Reads videos; safe to use from several threads."""

    def __init__(self, *, store: ObjectStore, jobs: RedisJobStore) -> None:
        self._store = store
        self._jobs = jobs

    def find(self, video_id: str) -> JobState:
        """Return where a video stands.

        While Redis is away, finished videos are still told; others count as queued.

        Raises:
            VideoNotFound: No video has this id.
            ObjectStoreUnavailable: Redis does not know the video and the store does not answer.
        """
        try:
            state = self._jobs.get(video_id) or restore_view(self._store, self._jobs, video_id)
        except JobStoreUnavailable as error:
            log.warning("told from the object store alone: %s", error.detail)
            state = self._find_stored(video_id)
        if state is None:
            raise VideoNotFound(f"No video has the id {video_id}.")
        return state

    def thumbnail(self, video_id: str, track_id: int) -> bytes:
        """Return the picture of one face, a JPEG.

        Raises:
            ObjectNotFound: The video has no such face, or its faces are not known yet.
            ObjectStoreUnavailable: The store does not answer.
        """
        try:
            return self._store.get(thumbnail_key(video_id, track_id))
        except ObjectNotFound as error:
            raise ObjectNotFound(
                f"There is no picture of a face {track_id} in the video {video_id}."
            ) from error

    def landmarks(self, video_id: str, track_id: int) -> bytes:
        """Return the picture of one face with its landmarks, a PNG.

        Raises:
            ObjectNotFound: The video has no such face, its faces are not known yet, or nobody
                asked for the picture.
            ObjectStoreUnavailable: The store does not answer.
        """
        try:
            return self._store.get(landmarks_key(video_id, track_id))
        except ObjectNotFound as error:
            raise ObjectNotFound(
                f"There is no picture of the landmarks of a face {track_id} in the video "
                f"{video_id}. It is made when POST /videos is sent with landmark_overlays=true."
            ) from error

    def heatmap(self, video_id: str, track_id: int, number: int) -> bytes:
        """Return one heatmap of a face, a WebP picture.

        Raises:
            ObjectNotFound: The video has no such face, the face no such heatmap, the video is not
                judged yet, or nobody asked for heatmaps.
            ObjectStoreUnavailable: The store does not answer.
        """
        try:
            return self._store.get(heatmap_key(video_id, track_id, number))
        except ObjectNotFound as error:
            raise ObjectNotFound(
                f"There is no heatmap {number} of a face {track_id} in the video {video_id}. "
                "Heatmaps are made when POST /videos is sent with heatmaps=true."
            ) from error

    def _find_stored(self, video_id: str) -> JobState | None:
        record = read_document(self._store, record_key(video_id), VideoRecord)
        if record is None:
            return None
        result: VideoResult | None = None
        failure: Failure | None = None
        status = Status.QUEUED
        if read_document(self._store, cancellation_key(video_id), Cancellation):
            status = Status.CANCELLED
        elif result := read_document(self._store, result_key(video_id), VideoResult):
            status = Status.COMPLETED
        elif failure := read_document(self._store, failure_key(video_id), Failure):
            status = Status.FAILED
        return JobState(
            record=record,
            status=status,
            progress=1.0 if result else 0.0,
            marks={MARK_ACCEPTED: record.created_at.timestamp()},
            waiting=False,
            result=result,
            failure=failure,
        )
