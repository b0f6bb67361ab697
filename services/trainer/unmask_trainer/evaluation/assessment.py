"""An evaluation from checkpoint and data sets to a document."""

import hashlib
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.model.card import ModelCard
from unmask_shared.model.checkpoint import CARD_FILE, load_checkpoint
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_trainer.evaluation.degradations import DEGRADATIONS
from unmask_trainer.evaluation.document import (
    CheckpointInfo,
    EvaluationDocument,
    Resampling,
    Robustness,
)
from unmask_trainer.evaluation.errors import InvalidEvaluation
from unmask_trainer.evaluation.heatmaps import ShownHeatmap, example_heatmaps
from unmask_trainer.evaluation.inputs import (
    EvaluationInput,
    dataset_names,
    read_input,
    told_apart,
    vision_settings,
)
from unmask_trainer.evaluation.mistakes import WorstVideo, worst_videos
from unmask_trainer.evaluation.robustness import sweep
from unmask_trainer.evaluation.samples import Facts
from unmask_trainer.evaluation.scoring import (
    ScoredVideo,
    clip_sample,
    score_videos,
    video_sample,
)
from unmask_trainer.evaluation.slices import breakdown, curves, slices
from unmask_trainer.evaluation.sources import source_probes
from unmask_trainer.evaluation.speed import measure_speed


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What to measure.

    Attributes:
        checkpoint: Its folder.
        data: Folders of labelled videos.
        splits: Values of the metadata's column `split`; none means all that was not learned from.
        metadata: Tables with more columns.
        by: Columns to break the results down by.
        robustness: Most videos to degrade; 0 does without.
        worst: How many of the worst mistakes to show.
        heatmaps: Of how many videos of each kind, right and wrong, real and forged, to show where
            the network saw signs of a forgery.
        heatmaps_of: Data sets whose people are shown there; all of them where this is empty.
        resampling: The bootstrap.
        workers: Processes that extract faces.
        command: How the evaluation was started, for the record.
    """

    checkpoint: Path
    data: tuple[Path, ...]
    splits: tuple[str, ...] = ()
    metadata: tuple[Path, ...] = ()
    by: tuple[str, ...] = ()
    robustness: int = 0
    worst: int = 12
    heatmaps: int = 2
    heatmaps_of: tuple[str, ...] = ()
    resampling: Resampling = field(default_factory=Resampling)
    workers: int = 2
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """An evaluation's outcome.

    Attributes:
        document: All figures.
        videos: The scored videos, in the order of the data sets.
        card: Of the checkpoint.
        worst: The worst mistakes with their pictures.
        heatmaps: Examples of what the network goes by.
    """

    document: EvaluationDocument
    videos: tuple[ScoredVideo, ...]
    card: ModelCard
    worst: tuple[WorstVideo, ...]
    heatmaps: tuple[ShownHeatmap, ...] = ()


def assess(plan: EvaluationPlan) -> Assessment:
    """Measure a checkpoint, with the temperature and thresholds that are on its card.

    Nothing is fitted or chosen on these videos.

    Raises:
        InvalidCheckpoint: The checkpoint cannot be loaded.
        InvalidEvaluation: There is nothing to measure, or a column or data set does not exist.
    """
    started = time.monotonic()
    loaded = load_checkpoint(plan.checkpoint)
    card, device = loaded.card, best_device()
    inputs = _read_inputs(plan, card)
    classifier = ClipClassifier(loaded, device)
    _check_names(plan.heatmaps_of, inputs)
    videos, facts = _score(classifier, inputs)
    by_video = video_sample(videos, facts, card.temperature)
    by_clip = clip_sample(videos, facts, card.temperature)
    worst = worst_videos(videos, facts, card, limit=plan.worst)
    heatmaps = example_heatmaps(classifier, videos, facts, limit=plan.heatmaps, of=plan.heatmaps_of)
    document = EvaluationDocument(
        created_at=datetime.now(UTC).replace(microsecond=0),
        command=plan.command,
        software={
            "unmask-trainer": version("unmask-trainer"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        checkpoint=_checkpoint_info(plan.checkpoint, card),
        datasets=tuple(item.info for item in inputs),
        resampling=plan.resampling,
        slices=(
            *slices(by_video, "video", card.thresholds, plan.resampling),
            *slices(by_clip, "clip", card.thresholds, plan.resampling),
        ),
        curves=curves(by_video),
        breakdowns=tuple(
            breakdown(by_video, column, card.thresholds, plan.resampling) for column in plan.by
        ),
        robustness=_sweep(plan, classifier, videos, facts) if plan.robustness else None,
        speed=measure_speed(classifier, device=device),
        mistakes=tuple(item.mistake for item in worst),
        heatmaps=tuple(item.example for item in heatmaps),
        source_probes=source_probes(by_video, plan.by, plan.resampling),
        seconds=time.monotonic() - started,
    )
    return Assessment(
        document=document,
        videos=tuple(videos),
        card=card,
        worst=tuple(worst),
        heatmaps=tuple(heatmaps),
    )


def _read_inputs(plan: EvaluationPlan, card: ModelCard) -> list[EvaluationInput]:
    inputs = [
        read_input(
            folder,
            vision_settings(card),
            name=name,
            splits=plan.splits,
            metadata=plan.metadata,
            by=plan.by,
            workers=plan.workers,
        )
        for folder, name in zip(plan.data, dataset_names(plan.data), strict=True)
    ]
    known = sorted({column for item in inputs for column in item.columns})
    if unknown := [column for column in plan.by if column not in known]:
        raise InvalidEvaluation(
            f"no metadata has the column {', '.join(unknown)}; "
            f"there are {', '.join(known) or 'none'}"
        )
    return told_apart(inputs)


def _check_names(names: Sequence[str], inputs: Sequence[EvaluationInput]) -> None:
    known = sorted({facts.dataset for item in inputs for facts in item.facts})
    if unknown := [name for name in names if name not in known]:
        raise InvalidEvaluation(
            f"no data set is called {', '.join(unknown)}; there are {', '.join(known)}"
        )


def _score(
    classifier: ClipClassifier, inputs: Sequence[EvaluationInput]
) -> tuple[list[ScoredVideo], list[Facts]]:
    faces = [face for item in inputs for face in item.faces]
    videos = [
        scored
        for face in tqdm(faces, unit="video", desc="classifying", disable=None)
        for scored in score_videos(classifier, [face])
    ]
    return videos, [facts for item in inputs for facts in item.facts]


def _sweep(
    plan: EvaluationPlan,
    classifier: ClipClassifier,
    videos: Sequence[ScoredVideo],
    facts: Sequence[Facts],
) -> Robustness:
    points = 1 + sum(len(way.strengths) for way in DEGRADATIONS)
    with tqdm(total=points, unit="point", desc="degrading", disable=None) as bar:
        return sweep(
            classifier,
            videos,
            facts,
            limit=plan.robustness,
            resampling=plan.resampling,
            on_point=lambda _: bar.update(),
        )


def _checkpoint_info(folder: Path, card: ModelCard) -> CheckpointInfo:
    return CheckpointInfo(
        folder=str(folder),
        name=card.name,
        version=card.version,
        trunk=card.architecture.trunk,
        created_at=card.created_at,
        weights_sha256=card.weights_sha256,
        card_sha256=hashlib.sha256((folder / CARD_FILE).read_bytes()).hexdigest(),
        temperature=card.temperature,
        thresholds=card.thresholds,
        training_data=card.training_data.description,
        limits=card.limits,
    )
