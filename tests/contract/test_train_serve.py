"""What the trainer measured is what the services answer: same crops, same clips, same scores."""

from pathlib import Path

import pytest
from sample_documents import record_of

from unmask_inference.batcher import MicroBatcher
from unmask_inference.tasks import FaceClassification
from unmask_preprocessor.settings import PreprocessorSettings
from unmask_preprocessor.tasks import FaceExtraction
from unmask_shared.artifacts import record_key, result_key, source_key
from unmask_shared.job_store import RedisJobStore
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.quality import QualityLimits
from unmask_shared.model.scoring import calibrated_probability
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.settings import JobSettings
from unmask_shared.videos import VideoResult
from unmask_shared.vision.sandboxed import SandboxedExtraction
from unmask_trainer.datasets.faces import extract_data_set
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.evaluation.scoring import score_videos

MODEL_DIR = Path(__file__).parents[2] / "models" / "default"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def checkpoint_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as the trainer writes it, with a temperature that shows if it is left out."""
    checkpoint = load_checkpoint(MODEL_DIR)
    folder = tmp_path_factory.mktemp("checkpoint")
    draft = checkpoint.card.model_copy(update={"temperature": 0.5})
    save_checkpoint(folder, model=checkpoint.model, draft=draft)
    return folder


def test_a_video_scores_the_same_in_evaluation_and_in_service(
    checkpoint_dir: Path,
    demo_media: Path,
    tmp_path: Path,
    local_store: LocalObjectStore,
    job_store: RedisJobStore,
    job_settings: JobSettings,
) -> None:
    path = demo_media / "astronaut_fake.mp4"
    vision = PreprocessorSettings().vision()

    video = LabelledVideo(path=path, label=1, group="astronaut")
    faces = extract_data_set(
        [video], vision, tmp_path / "faces", workers=1, on_video=lambda *_: None
    )
    (scored,) = score_videos(ClipClassifier(load_checkpoint(checkpoint_dir)), faces)
    expected = calibrated_probability(scored.logits, 0.5)

    local_store.put(source_key(ID), path.read_bytes(), content_type="video/mp4")
    write_document(local_store, record_key(ID), record_of(ID))
    job_store.accept(record_of(ID))
    with SandboxedExtraction(vision, PreprocessorSettings().sandbox_limits()) as sandboxed:
        FaceExtraction(
            store=local_store,
            jobs=job_store,
            job_settings=job_settings,
            vision=vision,
            faces=sandboxed,
        ).run(ID)
    classifier = ClipClassifier(load_checkpoint(checkpoint_dir), batch_size=3)
    with MicroBatcher(max_clips=4, max_wait_s=0.005) as batcher:
        FaceClassification(
            store=local_store,
            jobs=job_store,
            job_settings=job_settings,
            choose_classifier=lambda _: classifier,
            batcher=batcher,
            limits=QualityLimits(),
            heatmaps_per_face=2,
        ).run(ID)

    outcome = read_document(local_store, result_key(ID), VideoResult)
    assert outcome is not None
    (face,) = outcome.result.faces
    served = [segment.fake_probability for segment in face.segments]
    assert served == pytest.approx(list(expected), abs=1e-4)
    assert face.fake_probability == pytest.approx(scored.probability(0.5), abs=1e-4)
