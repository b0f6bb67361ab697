"""Evaluations for tests: figures of made-up predictions, as `evaluate` would find them."""

from datetime import UTC, datetime

import cv2
import numpy as np
from checkpoints import DEFAULT_CHECKPOINT

from unmask_shared.model.checkpoint import load_card
from unmask_trainer.evaluation.assessment import Assessment
from unmask_trainer.evaluation.document import (
    CheckpointInfo,
    DatasetInfo,
    DegradedPoint,
    Estimate,
    EvaluationDocument,
    HeatmapExample,
    LeftOut,
    Mistake,
    Resampling,
    Robustness,
    Speed,
)
from unmask_trainer.evaluation.heatmaps import ShownHeatmap
from unmask_trainer.evaluation.mistakes import WorstVideo
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.slices import breakdown, curves, slices
from unmask_trainer.evaluation.sources import source_probes

CARD = load_card(DEFAULT_CHECKPOINT)
QUICK = Resampling(resamples=100)


def sample(*, skill, people=40, dataset="faces", method="swap", fakes=True):
    rng = np.random.default_rng(0)
    labels = np.arange(people) % 2 if fakes else np.zeros(people, np.int64)
    odds = skill * (2 * labels - 1) + rng.normal(0, 1, people)
    facts = tuple(
        Facts(
            dataset=dataset,
            identities=(str(i),),
            method=method if label else "",
            columns={"light": "dark" if i % 4 < 2 else "bright"},
        )
        for i, label in enumerate(labels)
    )
    return Sample(labels=labels, probabilities=1 / (1 + np.exp(-odds)), facts=facts)


def assessment(drawn, *, name="faces", robust=True):
    point = {"auc": estimate(0.7), "ece": estimate(0.1), "brier": estimate(0.2)}
    ok, picture = cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))
    assert ok
    mistake = Mistake(
        dataset=name, id=f"fake/{name}.mp4", label="fake", method=name, fake_probability=0.01,
        verdict="real",
    )  # fmt: skip
    example = HeatmapExample(
        dataset=name, id=f"fake/{name}.webm", label="fake", method=name, fake_probability=0.87,
        verdict="fake", clip=1, frame=3, contribution=0.2, picture="heatmaps/01.jpg",
    )  # fmt: skip
    document = EvaluationDocument(
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        command=f"python -m unmask_trainer evaluate models/default --data '{name}'",
        software={"torch": "2"},
        seconds=3.0,
        checkpoint=CheckpointInfo(
            folder="models/default",
            name=CARD.name,
            version=CARD.version,
            trunk="resnet18",
            created_at=CARD.created_at,
            weights_sha256=CARD.weights_sha256,
            card_sha256="0" * 64,
            temperature=CARD.temperature,
            thresholds=CARD.thresholds,
            training_data=name,
            limits=(name, "Weak."),
        ),
        datasets=(
            DatasetInfo(
                name=name, folder=name, splits=("test",), caution=f"Careful with {name}.",
                not_chosen=3, left_out=(LeftOut(id=name, reason=name),), sha256="1" * 64,
            ),
        ),
        resampling=QUICK,
        slices=(
            *slices(drawn, "video", CARD.thresholds, QUICK),
            *slices(drawn, "clip", CARD.thresholds, QUICK),
        ),
        curves=curves(drawn),
        breakdowns=(breakdown(drawn, "light", CARD.thresholds, QUICK),),
        robustness=Robustness(
            videos=4, of_videos=40, clips=8, most_clips_of_a_video=2, seconds=1.0,
            untouched=DegradedPoint(degradation="none", strength=0, label="0", **point),
            points=(DegradedPoint(degradation="jpeg", strength=30, label="30", **point),),
        )
        if robust
        else None,
        speed=Speed(
            device="CPU", threads=1, batch_size=4, clip_frames=16, clips_per_second=5.0,
            slowest=4.0, fastest=6.0,
        ),
        mistakes=(mistake,),
        heatmaps=(example,),
        source_probes=source_probes(drawn, ("light",), QUICK),
    )  # fmt: skip
    return Assessment(
        document=document,
        videos=(),
        card=CARD,
        worst=(WorstVideo(mistake=mistake, jpeg=picture.tobytes()),),
        heatmaps=(ShownHeatmap(example=example, jpeg=picture.tobytes()),),
    )


def estimate(value, low=None, high=None):
    return Estimate(value=value, low=value - 0.1 if low is None else low, high=high or value + 0.1)
