"""What a caller chose, through both stages: real media, a real folder, a real Valkey."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_factory import Head, admiral, astronaut, film, write_video
from sample_documents import record_of

from unmask_inference.batcher import MicroBatcher
from unmask_inference.tasks import FaceClassification
from unmask_preprocessor.tasks import FaceExtraction
from unmask_shared.artifacts import (
    FacesManifest,
    faces_key,
    heatmap_key,
    heatmaps_prefix,
    landmarks_key,
    record_key,
    result_key,
    source_key,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.quality import QualityLimits
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.settings import JobSettings
from unmask_shared.videos import AnalysisOptions, Reason, Result, Verdict, VideoResult
from unmask_shared.vision.crops import decode_crops
from unmask_shared.vision.pipeline import VisionSettings
from unmask_shared.vision.sandboxed import SandboxedExtraction

MODEL_DIR = Path(__file__).parents[2] / "models" / "default"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
FACELESS_FROM, FRAMES = 20, 40


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two people for a while, then nobody."""

    def heads(number: int) -> list[Head]:
        if number >= FACELESS_FROM:
            return []
        return [
            Head(portrait=astronaut(), center=(90 + number, 110), eye_distance=44),
            Head(portrait=admiral(), center=(230, 120 + number), eye_distance=40),
        ]

    path = tmp_path_factory.mktemp("options") / "clip.mp4"
    return write_video(path, film(FRAMES, heads)).read_bytes()


@pytest.fixture(scope="module")
def sandboxed() -> Iterator[SandboxedExtraction]:
    with SandboxedExtraction(VisionSettings(), SandboxLimits()) as extraction:
        yield extraction


class Analysis:
    """Both stages, for one accepted video."""

    def __init__(
        self,
        store: LocalObjectStore,
        jobs: RedisJobStore,
        settings: JobSettings,
        faces: SandboxedExtraction,
    ) -> None:
        self.store, self.jobs, self.settings, self.faces = store, jobs, settings, faces

    def accept(self, clip: bytes) -> None:
        self.store.put(source_key(ID), clip, content_type="video/mp4")

    def extract(self, options: AnalysisOptions, *, landmark_overlays: bool = True) -> FacesManifest:
        record = record_of(ID).model_copy(update={"options": options})
        write_document(self.store, record_key(ID), record)
        self.jobs.accept(record)
        FaceExtraction(
            store=self.store,
            jobs=self.jobs,
            job_settings=self.settings,
            vision=VisionSettings(),
            faces=self.faces,
            landmark_overlays=landmark_overlays,
        ).run(ID)
        manifest = read_document(self.store, faces_key(ID), FacesManifest)
        assert manifest is not None, self.jobs.get(ID)
        return manifest

    def classify(self) -> Result:
        with MicroBatcher(max_clips=4, max_wait_s=0.005) as batcher:
            FaceClassification(
                store=self.store,
                jobs=self.jobs,
                job_settings=self.settings,
                choose_classifier=lambda _: ClipClassifier(load_checkpoint(MODEL_DIR)),
                batcher=batcher,
                limits=QualityLimits(),
                heatmaps_per_face=2,
            ).run(ID)
        outcome = read_document(self.store, result_key(ID), VideoResult)
        assert outcome is not None, self.jobs.get(ID)
        return outcome.result


@pytest.fixture
def analysis(
    local_store: LocalObjectStore,
    job_store: RedisJobStore,
    job_settings: JobSettings,
    sandboxed: SandboxedExtraction,
    clip: bytes,
) -> Analysis:
    analysis = Analysis(local_store, job_store, job_settings, sandboxed)
    analysis.accept(clip)
    return analysis


def test_faces_are_judged_and_the_coverage_told(analysis: Analysis) -> None:
    manifest = analysis.extract(AnalysisOptions())
    assert (manifest.face_mode, manifest.frame_step) == ("faces", 1)
    assert set(range(FACELESS_FROM + 4, FRAMES)) <= set(manifest.faceless_frames)
    assert [track.landmarks for track in manifest.tracks] == [None, None]
    result = analysis.classify()
    assert len(result.faces) == 2
    assert result.coverage == manifest.coverage
    assert manifest.coverage.frames == FRAMES
    assert manifest.coverage.sampled_s == pytest.approx(FRAMES / 25)


def test_each_face_gets_its_landmarks_drawn_when_asked_for(analysis: Analysis) -> None:
    manifest = analysis.extract(AnalysisOptions(landmark_overlays=True))
    pictures = []
    for track in manifest.tracks:
        assert track.landmarks == landmarks_key(ID, track.track_id)
        stored = np.frombuffer(analysis.store.get(track.landmarks), np.uint8)
        assert stored.tobytes().startswith(b"\x89PNG")
        picture = cv2.imdecode(stored, cv2.IMREAD_COLOR)
        assert picture is not None
        pictures.append(picture)
    first, second = pictures
    assert first.shape[0] >= 200
    assert first.shape != second.shape or np.abs(first.astype(int) - second).mean() > 5
    assert [face.landmarks for face in analysis.classify().faces] == [
        landmarks_key(ID, 0),
        landmarks_key(ID, 1),
    ]


def test_an_operator_can_do_without_the_68_point_model(analysis: Analysis) -> None:
    wanted = AnalysisOptions(landmark_overlays=True)
    manifest = analysis.extract(wanted, landmark_overlays=False)
    assert [track.landmarks for track in manifest.tracks] == [None, None]
    assert not analysis.store.exists(landmarks_key(ID, 0))


def test_heatmaps_are_drawn_when_asked_for_and_replace_those_of_an_attempt_before(
    analysis: Analysis,
) -> None:
    analysis.extract(AnalysisOptions(heatmaps=True))
    left_over = heatmap_key(ID, 0, 15)
    analysis.store.put(left_over, b"from an attempt before", content_type="image/webp")

    result = analysis.classify()

    keys = [one.picture for face in result.faces for one in face.heatmaps]
    assert keys == [heatmap_key(ID, track, number) for track in (0, 1) for number in (0, 1)]
    assert sorted(analysis.store.keys(heatmaps_prefix(ID))) == keys
    for face in result.faces:
        assert all(face.start_s <= one.time_s <= face.end_s for one in face.heatmaps)
    picture = cv2.imdecode(np.frombuffer(analysis.store.get(keys[0]), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[0] == picture.shape[1] >= 256


def test_without_being_asked_for_no_heatmap_is_drawn(analysis: Analysis) -> None:
    analysis.extract(AnalysisOptions())
    assert [face.heatmaps for face in analysis.classify().faces] == [(), ()]
    assert not list(analysis.store.keys(heatmaps_prefix(ID)))


@pytest.mark.parametrize("keep", [False, True])
def test_whole_frames_are_kept_but_not_judged_by_a_model_of_faces(
    analysis: Analysis, keep: bool
) -> None:
    manifest = analysis.extract(
        AnalysisOptions(face_mode="full_frame", keep_faceless_frames=keep, landmark_overlays=True)
    )
    (track,) = manifest.tracks
    assert manifest.face_mode == "full_frame"
    assert track.landmarks is None
    assert {frame.landmarks for frame in track.frames} == {None}
    kept_faceless = {frame.frame for frame in track.frames if not frame.detected}
    assert kept_faceless == (set(manifest.faceless_frames) if keep else set())
    crops = decode_crops(analysis.store.get(track.crops))
    side = VisionSettings().crop_size
    assert crops.shape == (len(track.frames), side, side, 3)
    assert analysis.store.exists(track.thumbnail)

    result = analysis.classify()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, Reason.NO_FULL_FRAME_MODEL)
    assert (result.fake_probability, result.faces) == (None, ())
    assert result.coverage == manifest.coverage
