"""Is the checkpoint that ships of any use? It judges two people whom it has never seen.

The demonstration's people come with Python packages and may be in no training data. What these
tests ask is little: how good the checkpoint is stands on its card, measured on people by the
hundred.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from checkpoints import DEFAULT_CHECKPOINT

from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.__main__ import main as trainer
from unmask_trainer.datasets.faces import extract_data_set
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.demo_media import PORTRAITS, make_demo_media
from unmask_trainer.evaluation.scoring import ScoredVideo, score_videos
from unmask_trainer.recording import Encoding, write_video

CLASSIFIER = ClipClassifier(load_checkpoint(DEFAULT_CHECKPOINT))
CARD = CLASSIFIER.card
FPS = 30


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Takes of both people, and three forgeries of each by the methods that it was trained on."""
    folder = tmp_path_factory.mktemp("footage")
    demo = make_demo_media(folder / "demo", seconds=4)
    for path in demo:
        if path.stem.endswith("_fake"):
            path.unlink()
    options = ["--takes", "3", "--take-frames", "32", "--per-take", "3", "--seed", "5"]
    methods = ["self_blend=0.35", "face_swap=0.25", "mouth_reenactment=0.15", "network=0.15"]
    options += ["--methods", *methods, "box_paste=0.1"]
    forge = ["forge", "--videos", str(folder / "demo"), "--out", str(folder / "forged"), *options]
    assert trainer(forge) == 0
    return folder / "forged"


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    cache = tmp_path_factory.mktemp("crops")

    def judge(paths: Sequence[Path]) -> list[ScoredVideo]:
        """Through the pipeline that serves; a video without a face fails the test."""
        settings = VisionSettings(
            crop_size=CARD.input_size, crop_margin=CARD.crop_margin, clip_length=CARD.clip_length
        )
        videos = [LabelledVideo(path=p, label=0, group=p.stem) for p in paths]
        faces = extract_data_set(
            videos, settings, cache, workers=2, on_video=lambda _video, problem: None
        )
        assert len(faces) == len(paths)
        return score_videos(CLASSIFIER, faces)

    return judge


def probabilities(scored: Sequence[ScoredVideo]) -> np.ndarray:
    return np.array([video.probability(CARD.temperature) for video in scored])


def real_clips(footage: Path, judge) -> list[np.ndarray]:
    return [
        np.array(video.faces.load()[start:stop])
        for video in judge(sorted((footage / "real").iterdir()))
        for start, stop in video.faces.clips
    ]


def log_odds(clip: np.ndarray) -> float:
    return np.diff(CLASSIFIER.logits([clip])).item()


def test_forgeries_score_above_the_footage_that_they_were_made_of(footage, judge):
    with (footage / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    reals = {
        row["clip"]: footage / "real" / f"{row['id']}.mp4" for row in rows if row["label"] == "real"
    }
    pairs = [
        (footage / "fake" / f"{row['id']}.mp4", reals[row["clip"]])
        for row in rows
        if row["label"] == "fake"
    ]

    fakes = probabilities(judge([fake for fake, _ in pairs]))
    twins = probabilities(judge([real for _, real in pairs]))

    assert len(pairs) == 18
    assert np.mean(fakes > twins) >= 0.8


def test_compressed_and_small_real_footage_is_not_called_fake(footage, judge, tmp_path):
    worse = []
    for path in sorted((footage / "real").iterdir()):
        with av.open(str(path)) as video:
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        compressed, small = tmp_path / f"{path.stem}-crf35.mp4", tmp_path / f"{path.stem}-half.mp4"
        write_video(compressed, frames, fps=FPS, encoding=Encoding(crf=35))
        write_video(small, [_halved(frame) for frame in frames], fps=FPS)
        worse += [compressed, small]

    called_fake = probabilities(judge(worse)) > CARD.thresholds.fake_above

    assert len(worse) == 12
    assert np.mean(called_fake) <= 0.1


@pytest.fixture(scope="module")
def demonstration(judge, tmp_path_factory):
    """Probabilities of the demonstration's clips, by name."""
    paths = make_demo_media(tmp_path_factory.mktemp("demonstration"))
    return dict(zip((path.stem for path in paths), probabilities(judge(paths)), strict=True))


def test_no_clip_of_the_demonstration_is_judged_wrongly(demonstration):
    for portrait in PORTRAITS:
        real = demonstration[f"{portrait.name}_real"]
        fake = demonstration[f"{portrait.name}_fake"]
        assert real < fake, demonstration
        assert real <= CARD.thresholds.fake_above, demonstration
        assert fake >= CARD.thresholds.real_below, demonstration


@pytest.mark.xfail(
    raises=AssertionError,
    strict=True,
    reason="0.6.0 leaves one forgery undecided",
)
def test_each_clip_of_the_demonstration_gets_the_right_verdict(demonstration):
    for portrait in PORTRAITS:
        assert demonstration[f"{portrait.name}_real"] < CARD.thresholds.real_below
        assert demonstration[f"{portrait.name}_fake"] > CARD.thresholds.fake_above


def test_the_order_of_frames_moves_the_answer(footage, judge):
    moved = [
        abs(log_odds(clip[::-1].copy()) - log_odds(clip)) for clip in real_clips(footage, judge)
    ]

    assert len(moved) == 12
    # Rounding moves log-odds by 1e-5; a network that averages its frames would do no more.
    assert np.median(moved) > 1e-3


def test_real_footage_in_random_order_looks_more_forged(footage, judge):
    """The frames stay as they are: only what lies between them changes, and no head leaps so."""
    rises = [
        log_odds(np.random.default_rng(number).permutation(clip)) - log_odds(clip)
        for number, clip in enumerate(real_clips(footage, judge))
    ]

    assert len(rises) == 12
    assert np.mean(np.array(rises) > 0) >= 0.9
    # 0.3.0, which averaged its frames, moved by 0.01 to either side.
    assert np.median(rises) > 0.05


def _halved(frame: np.ndarray) -> np.ndarray:
    height, width = (side // 4 * 2 for side in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
