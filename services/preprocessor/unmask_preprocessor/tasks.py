"""The preprocessor's stage: from the stored source to stored face crops and their manifest."""

import tempfile
from pathlib import Path

from unmask_shared.artifacts import (
    FacesManifest,
    TrackManifest,
    crops_key,
    faces_key,
    source_key,
    thumbnail_key,
)
from unmask_shared.job_store import MARK_PREPROCESSED, MARK_PREPROCESSING, RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_shared.settings import JobSettings
from unmask_shared.stages import ReportProgress, StageEnd, StageRunner
from unmask_shared.videos import Status
from unmask_shared.vision.crops import encode_crops, thumbnail_jpeg
from unmask_shared.vision.pipeline import FaceTrack, VisionSettings, extract_faces

# Shares of the bar that users see: finding faces and classifying them take about as long.
PROGRESS_FROM, PROGRESS_TO = 0.02, 0.55


class FaceExtraction:
    """Runs the stage for one video after the other."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        job_settings: JobSettings,
        vision: VisionSettings,
    ) -> None:
        self._store = store
        self._vision = vision
        self._runner = StageRunner(
            store=store,
            jobs=jobs,
            settings=job_settings,
            stage=Status.PREPROCESSING,
            progress_from=PROGRESS_FROM,
            progress_to=PROGRESS_TO,
        )

    def run(self, video_id: str) -> StageEnd:
        """Find the faces of a video, unless that was done before."""
        return self._runner.run(
            video_id,
            lambda report: self._extract(video_id, report),
            started_mark=MARK_PREPROCESSING,
            finished_mark=MARK_PREPROCESSED,
        )

    def _extract(self, video_id: str, report: ReportProgress) -> None:
        if self._store.exists(faces_key(video_id)):
            return
        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            source = Path(folder) / "source"
            self._store.download(source_key(video_id), source)
            faces = extract_faces(source, self._vision, report)
        manifest = FacesManifest(
            video=faces.video,
            detector=faces.settings.detector,
            crop_size=faces.settings.crop_size,
            crop_margin=faces.settings.crop_margin,
            clip_length=faces.settings.clip_length,
            sampled_frames=faces.sampled_frames,
            tracks=tuple(self._store_track(video_id, track) for track in faces.tracks),
        )
        # The manifest is the commit marker, so everything that it names is stored before it.
        write_document(self._store, faces_key(video_id), manifest)

    def _store_track(self, video_id: str, track: FaceTrack) -> TrackManifest:
        crops, thumbnail = (
            crops_key(video_id, track.track_id),
            thumbnail_key(video_id, track.track_id),
        )
        self._store.put(
            crops, encode_crops(track.frames, track.crops), content_type="application/zip"
        )
        self._store.put(thumbnail, thumbnail_jpeg(track), content_type="image/jpeg")
        return TrackManifest(
            track_id=track.track_id, crops=crops, thumbnail=thumbnail, frames=track.frames
        )
