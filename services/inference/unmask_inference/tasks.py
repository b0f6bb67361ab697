"""The inference stage: from stored face crops to a stored result."""

from collections.abc import Callable, Mapping

from unmask_inference.batcher import MicroBatcher
from unmask_inference.classify import (
    Face,
    Judgement,
    can_judge,
    check_faces,
    classify_faces,
    unjudged,
)
from unmask_shared.artifacts import (
    FacesManifest,
    TrackManifest,
    faces_key,
    heatmaps_prefix,
    record_key,
    result_key,
)
from unmask_shared.errors import ObjectNotFound
from unmask_shared.job_store import MARK_INFERRING, RedisJobStore, timings_of
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.quality import QualityLimits
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.settings import JobSettings
from unmask_shared.stages import ReportProgress, StageEnd, StageRunner
from unmask_shared.tracing import span
from unmask_shared.videos import ModelRef, Status, VideoRecord, VideoResult
from unmask_shared.vision.crops import decode_crops

PROGRESS_FROM, PROGRESS_TO = 0.55, 0.99


class FaceClassification:
    """Runs the stage; several threads may run it for different videos at the same time."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        job_settings: JobSettings,
        choose_classifier: Callable[[VideoRecord], ClipClassifier],
        batcher: MicroBatcher,
        limits: QualityLimits,
        heatmaps_per_face: int,
    ) -> None:
        """Prepare the stage.

        Args:
            store: Has the crops, and takes the results.
            jobs: The live view.
            job_settings: Leases and attempts.
            choose_classifier: Asked once for each video, which keeps what it is given.
            batcher: Computes the clips of all videos.
            limits: What a face has to show so that it is judged.
            heatmaps_per_face: Most heatmaps of each face, for callers who ask for them.
        """
        self._store = store
        self._jobs = jobs
        self._time_limit_s = job_settings.stage_time_limit_s
        self._choose_classifier = choose_classifier
        self._batcher = batcher
        self._limits = limits
        self._heatmaps_per_face = heatmaps_per_face
        self._runner = StageRunner(
            store=store,
            jobs=jobs,
            settings=job_settings,
            stage=Status.INFERRING,
            progress_from=PROGRESS_FROM,
            progress_to=PROGRESS_TO,
        )

    def run(self, video_id: str) -> StageEnd:
        """Classify the faces of a video and store its result."""
        return self._runner.run(
            video_id,
            lambda report: self._classify(video_id, report),
            started_mark=MARK_INFERRING,
        )

    def _classify(self, video_id: str, report: ReportProgress) -> None:
        manifest = read_document(self._store, faces_key(video_id), FacesManifest)
        if manifest is None:
            raise ObjectNotFound(f"The face manifest of video {video_id} is gone.")
        record = read_document(self._store, record_key(video_id), VideoRecord)
        if record is None:
            raise ObjectNotFound(f"The record of video {video_id} is gone.")
        # Whatever is activated from here on, one checkpoint judges the whole video.
        classifier = self._choose_classifier(record)
        card = classifier.card
        if can_judge(manifest, card):
            check_faces(manifest, card)
            with self._batcher.job(classifier, time_limit_s=self._time_limit_s) as shared:
                with span("read crops"):
                    faces = [self._fetch(track) for track in manifest.tracks]
                judgement = classify_faces(
                    video_id,
                    manifest,
                    faces,
                    shared,
                    limits=self._limits,
                    heatmaps=self._heatmaps_per_face if record.options.heatmaps else 0,
                    on_progress=report,
                )
        else:
            judgement = Judgement(result=unjudged(manifest), pictures={})
        outcome = VideoResult(
            video_id=video_id,
            video=manifest.video,
            model=ModelRef(name=card.name, version=card.version),
            result=judgement.result,
            timings_ms=timings_of(self._jobs.get(video_id)),
        )
        self._runner.check_wanted(video_id)
        with span("write result"):
            if record.options.heatmaps:
                self._store_heatmaps(video_id, judgement.pictures)
            # The store is the truth: only what it holds is ever shown as completed.
            write_document(self._store, result_key(video_id), outcome)
            self._jobs.complete(video_id, outcome)

    def _store_heatmaps(self, video_id: str, pictures: Mapping[str, bytes]) -> None:
        # An attempt before this one may have drawn more, with another checkpoint.
        self._store.delete_prefix(heatmaps_prefix(video_id))
        for key, webp in pictures.items():
            self._store.put(key, webp, content_type="image/webp")

    def _fetch(self, track: TrackManifest) -> Face:
        return Face(track=track, crops=decode_crops(self._store.get(track.crops)))
