"""The rows of a card: the figures of the evaluation, with intervals over people."""

from pathlib import Path

import numpy as np
import pytest

from unmask_shared.model.card import Interval
from unmask_shared.model.scoring import Thresholds
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.scoring import ScoredVideo, evaluate

BAND = Thresholds(real_below=0.3, fake_above=0.7)


def scored(name, label, evidence, *, group, identities=()):
    """A video of two clips, for both of which the fake logit exceeds the real one by `evidence`."""
    video = LabelledVideo(path=Path(name), label=label, group=group, identities=identities)
    return ScoredVideo(
        faces=FaceClips(video=video, crops_path=Path("none.npy"), clips=((0, 4), (4, 8))),
        logits=np.array([[0, evidence]] * 2, np.float32),
        lengths=(4, 4),
    )


def rows(videos, **options):
    return evaluate(videos, split="test", temperature=1.0, thresholds=BAND, **options)


def crowd(people, takes, *, known_by=str):
    """Pairs of real and forged videos of people, of whom some are easy and some are hard."""
    ease = np.random.default_rng(0).normal(1, 2, people)
    return [
        scored(
            f"{label}-{person}-{take}.mp4",
            label,
            (2 * label - 1) * float(ease[person]),
            group=known_by(f"{person}.{take}"),
        )
        for person in range(people)
        for take in range(takes)
        for label in (0, 1)
    ]


def test_both_levels_have_their_figures_and_intervals_around_them():
    clip, video = rows(crowd(12, 1), note="A note.")

    assert (clip.level, clip.real, clip.fake, clip.people) == ("clip", 24, 24, 12)
    assert (video.level, video.real, video.fake, video.people) == ("video", 12, 12, 12)
    assert clip.note == video.note == "A note."
    assert video.true_real + video.false_fake == video.real
    for name in ("accuracy", "auc", "decided_share", "decided_accuracy"):
        interval = getattr(video, f"{name}_interval")
        assert 0 <= interval.low < interval.high <= 1
        assert interval.low <= getattr(video, name) <= interval.high


def test_people_not_videos_decide_how_wide_an_interval_is():
    _, by_person = rows(crowd(10, 6, known_by=lambda name: name.partition(".")[0]))
    _, by_video = rows(crowd(10, 6))

    def width(interval: Interval) -> float:
        return interval.high - interval.low

    assert by_person.accuracy == by_video.accuracy
    assert (by_person.people, by_video.people) == (10, 60)
    assert width(by_person.accuracy_interval) > 1.4 * width(by_video.accuracy_interval)


def test_those_who_lent_a_face_count_as_people_too():
    videos = [
        scored(f"{i}.mp4", 1, 1.0, group="target", identities=("target", f"source{i}"))
        for i in range(5)
    ]

    _, row = rows(videos)

    assert row.people == 6


def test_what_the_data_cannot_tell_stays_open():
    _, row = rows([scored("a.mp4", 0, 0.0, group="ann")])

    assert (row.auc, row.auc_interval) == (None, None)
    assert (row.decided_share, row.decided_accuracy, row.decided_accuracy_interval) == (
        0,
        None,
        None,
    )


def test_the_same_seed_gives_the_same_card():
    videos = crowd(12, 1)

    assert rows(videos) == rows(videos)
    assert rows(videos, resampling=Resampling(seed=1))[1] != rows(videos)[1]


def test_an_interval_goes_upwards():
    with pytest.raises(ValueError, match="upwards"):
        Interval(low=0.6, high=0.5)


def test_people_are_told_apart_also_where_a_split_keeps_them_together():
    video = LabelledVideo(path=Path("a.mp4"), label=1, group="circle", person="ann")
    other = LabelledVideo(path=Path("b.mp4"), label=0, group="circle", person="bob")
    faces = [
        FaceClips(video=v, crops_path=Path("none.npy"), clips=((0, 4),)) for v in (video, other)
    ]
    logits = np.array([[0, 1]], np.float32)

    _, row = rows([ScoredVideo(faces=one, logits=logits, lengths=(4,)) for one in faces])

    assert row.people == 2
