"""The preprocessor's stage: from the stored source to stored face crops and their manifest."""

import dataclasses
import tempfile
from pathlib import Path

from unmask_shared.artifacts import (
    FacesManifest,
    TrackManifest,
    crops_key,
    faces_key,
    landmarks_key,
    record_key,
    source_key,
    thumbnail_key,
)
from unmask_shared.errors import ObjectNotFound, ScratchUnavailable
from unmask_shared.job_store import MARK_PREPROCESSED, MARK_PREPROCESSING, RedisJobStore
from unmask_shared.leases import unless_redis_is_away
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.settings import JobSettings
from unmask_shared.stages import ReportProgress, StageEnd, StageRunner
from unmask_shared.tracing import span
from unmask_shared.videos import AnalysisOptions, Status, VideoRecord
from unmask_shared.vision.encoding import CropEncoder, thumbnail_jpeg
from unmask_shared.vision.pipeline import FaceTrack, FaceTracks, VisionSettings
from unmask_shared.vision.png import encode_png
from unmask_shared.vision.sandboxed import SandboxedExtraction

# Shares of the bar that users see: finding faces and classifying them take about as long.
PROGRESS_FROM, PROGRESS_TO = 0.02, 0.55


def settings_for(
    vision: VisionSettings, options: AnalysisOptions, *, landmark_overlays: bool
) -> VisionSettings:
    """The worker's settings with what the caller of POST /videos asked for.

    Args:
        vision: Of the worker.
        options: Of the video.
        landmark_overlays: Whether callers get landmark overlays who ask for them.
    """
    return dataclasses.replace(
        vision,
        face_mode=options.face_mode,
        keep_faceless_frames=options.keep_faceless_frames,
        landmark_overlays=options.landmark_overlays and landmark_overlays,
    )


class FaceExtraction:
    """Runs the stage for one video after the other."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        job_settings: JobSettings,
        vision: VisionSettings,
        faces: SandboxedExtraction,
        landmark_overlays: bool = True,
    ) -> None:
        """Prepare to extract faces.

        Args:
            store: Has the sources, gets the faces.
            jobs: Live views of the videos.
            job_settings: Leases and attempts.
            vision: How faces are extracted, but for what callers choose.
            faces: Extracts them.
            landmark_overlays: Whether callers get landmark overlays who ask for them.
        """
        self._store = store
        self._jobs = jobs
        self._vision = vision
        self._faces = faces
        self._landmark_overlays = landmark_overlays
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
        record = read_document(self._store, record_key(video_id), VideoRecord)
        if record is None:
            raise ObjectNotFound(f"The record of video {video_id} is gone.")
        settings = settings_for(
            self._vision, record.options, landmark_overlays=self._landmark_overlays
        )
        with CropEncoder() as encoder:
            with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
                source = Path(folder) / "source"
                self._fetch(video_id, source)
                with span("decode and find faces"):
                    faces = self._faces.extract(source, settings, report, encoder.add)
            self._runner.check_wanted(video_id)
            # The manifest is the commit marker, so everything that it names is stored before it.
            with span("store crops"):
                manifest = self._store_faces(video_id, faces, encoder)
        write_document(self._store, faces_key(video_id), manifest)
        with unless_redis_is_away("what is known of a video is not told", {"video_id": video_id}):
            self._jobs.note_info(video_id, manifest.video)

    def _fetch(self, video_id: str, path: Path) -> None:
        try:
            self._store.download(source_key(video_id), path)
        except OSError as error:  # of the local file: the video is not to blame
            raise ScratchUnavailable(f"{path.parent} takes no data: {error.strerror}.") from error

    def _store_faces(self, video_id: str, faces: FaceTracks, encoder: CropEncoder) -> FacesManifest:
        return faces.manifest(self._store_track(video_id, track, encoder) for track in faces.tracks)

    def _store_track(self, video_id: str, track: FaceTrack, encoder: CropEncoder) -> TrackManifest:
        crops = crops_key(video_id, track.track_id)
        thumbnail = thumbnail_key(video_id, track.track_id)
        landmarks = None
        picture = thumbnail_jpeg(track)  # while crops are being encoded
        self._store.put(crops, encoder.archive(track), content_type="application/zip")
        self._store.put(thumbnail, picture, content_type="image/jpeg")
        if track.overlay is not None:
            landmarks = landmarks_key(video_id, track.track_id)
            self._store.put(landmarks, encode_png(track.overlay), content_type="image/png")
        return TrackManifest(
            track_id=track.track_id,
            crops=crops,
            thumbnail=thumbnail,
            landmarks=landmarks,
            frames=track.frames,
        )
