"""Which videos are explained, and which of their frames is shown."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from unmask_shared.model.checkpoint import load_card, load_checkpoint
from unmask_shared.model.evidence import ClipEvidence
from unmask_shared.model.predict import ClipClassifier
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.evaluation.heatmaps import example_heatmaps
from unmask_trainer.evaluation.samples import Facts
from unmask_trainer.evaluation.scoring import ScoredVideo

MODEL = Path(__file__).parents[3] / "models" / "default"
SIDE = load_card(MODEL).input_size


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint(MODEL)


class KnownEvidence(ClipClassifier):
    """Finds in a frame as much evidence as the frame is bright, in its upper left corner."""

    def explain(self, clips):
        found = []
        for clip in clips:
            maps = np.zeros((len(clip), 4, 4), np.float32)
            maps[:, 0, 0] = clip.mean(axis=(1, 2, 3)) / 255
            found.append(ClipEvidence(logits=np.zeros(2, np.float32), maps=maps))
        return found


@pytest.fixture
def scored(tmp_path):
    """Makes a video of two clips of three frames, of which the second is brighter."""

    def make(name, label, *evidence):
        crops = np.full((6, SIDE, SIDE, 3), 40, np.uint8)
        crops[3:] = 90
        crops[1], crops[4] = 130, 230
        path = tmp_path / f"{name}.npy"
        np.save(path, crops)
        video = LabelledVideo(path=Path(name), label=label, group=name, name=name)
        return ScoredVideo(
            faces=FaceClips(video=video, crops_path=path, clips=((0, 3), (3, 6))),
            logits=np.array([[0, one] for one in evidence], np.float32),
            lengths=(3, 3),
        )

    return make


def facts_of(videos):
    return [Facts(dataset="d", identities=(video.faces.video.group,)) for video in videos]


def test_the_surest_of_each_kind_are_shown_forgeries_first(checkpoint, scored):
    videos = [
        scored("real-wrong", 0, 3, 3),
        scored("fake-right", 1, 1, 1),
        scored("fake-wrong", 1, -2, -2),
        scored("fake-surest", 1, 4, 4),
        scored("real-right", 0, -1, -1),
        scored("fake-sure", 1, 2, 2),
    ]

    shown = example_heatmaps(KnownEvidence(checkpoint), videos, facts_of(videos), limit=2)

    assert [item.example.id for item in shown] == [
        "fake-surest", "fake-sure", "fake-wrong", "real-right", "real-wrong",
    ]  # fmt: skip
    assert [item.example.picture for item in shown] == [f"heatmaps/0{i}.jpg" for i in range(1, 6)]
    assert [item.example.verdict for item in shown][:3] == ["fake", "fake", "real"]
    assert example_heatmaps(KnownEvidence(checkpoint), videos, facts_of(videos), limit=0) == []


def test_only_people_of_the_named_data_sets_are_shown(checkpoint, scored):
    videos = [scored(name, 1, 1, 1) for name in ("secret", "public")]
    facts = [Facts(dataset=video.faces.video.name, identities=("p",)) for video in videos]

    shown = example_heatmaps(KnownEvidence(checkpoint), videos, facts, limit=5, of=("public",))

    assert [item.example.id for item in shown] == ["public"]


@pytest.mark.parametrize(("evidence", "clip", "light"), [((1, 5), 1, 230), ((5, 1), 0, 130)])
def test_the_frame_that_adds_most_of_the_most_suspicious_clip_is_shown_beside_its_overlay(
    checkpoint, scored, evidence, clip, light
):
    videos = [scored("one", 1, *evidence)]

    (shown,) = example_heatmaps(KnownEvidence(checkpoint), videos, facts_of(videos), limit=1)

    assert (shown.example.clip, shown.example.frame) == (clip, 1)
    assert shown.example.contribution == pytest.approx(light / 255, abs=1e-4)
    picture = cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    assert width == 2 * height
    crop, drawn = picture[:, :height].astype(int), picture[:, height:].astype(int)
    assert abs(crop.mean() - light) < 3
    assert np.ptp(drawn[20, 20]) > 60
    assert np.ptp(drawn[-20, -20]) < 10


def test_the_shipped_checkpoint_explains_itself(checkpoint, scored):
    videos = [scored("one", 1, 1, 2), scored("two", 0, 1, 2)]

    shown = example_heatmaps(ClipClassifier(checkpoint), videos, facts_of(videos), limit=1)

    assert [item.example.label for item in shown] == ["fake", "real"]
    assert all(np.isfinite(item.example.contribution) for item in shown)
