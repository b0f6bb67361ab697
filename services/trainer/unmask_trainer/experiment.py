"""A training run from a folder of videos to a checkpoint with its card."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import safetensors.torch
import torch
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.errors import InvalidRequest
from unmask_shared.model.architecture import Architecture
from unmask_shared.model.card import LABELS, CardDraft, ModelCard, TrainingData
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model.clips import ShortClips
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.scoring import Thresholds
from unmask_shared.model.transforms import CropTransform
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.calibration import choose_thresholds, fit_temperature
from unmask_trainer.datasets.clips import ClipDataset
from unmask_trainer.datasets.faces import FaceClips, extract_data_set
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.datasets.labelled import LabelledVideo, read_labelled_videos
from unmask_trainer.datasets.prepared import caution_about, is_prepared
from unmask_trainer.datasets.splits import Shares, Split, split_groups
from unmask_trainer.description import Description
from unmask_trainer.evaluation.scoring import (
    clip_logits,
    evaluate,
    score_videos,
    video_probabilities,
)
from unmask_trainer.figures import draw_curves
from unmask_trainer.pretraining import PretrainingSettings, pretrain
from unmask_trainer.training import EpochRecord, TrainingSettings, train

CHECKPOINT_FOLDER = "checkpoint"
FIGURES_FOLDER = "figures"
HISTORY_FILE = "history.json"
PRETRAINED_FILE = "pretrained.safetensors"

_UNCALIBRATED = Thresholds(real_below=0.5, fake_above=0.5)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that decides a run's outcome.

    Attributes:
        data: Folder with `real/` and `fake/`, or a prepared one, whose split is then kept.
        out: Folder of the run.
        architecture: The network.
        vision: How faces are extracted; serving has to do the same.
        window: Frames of each clip that are trained on, at most `vision.clip_length`.
        short_clips: What becomes of clips that are too short, in training and in serving.
        side: Crops are scaled to this side for training, but not for calibration and test: for
            first epochs whose weights a second run starts from. None leaves them as they are.
        fresh: Share of the forged clips that are forged anew in each epoch.
        shares: Sizes of the splits.
        split_seed: Decides who is in which split. A run that starts from the weights of another
            must keep it, or it is tested on people that those weights have seen.
        training: How to train.
        initial: Weights to start from, a `.safetensors` file of the same architecture.
        pretraining: How to pretrain the trunk; None starts with the clips at once.
        workers: Processes that extract faces.
        description: Words for the card.
    """

    data: Path
    out: Path
    architecture: Architecture
    vision: VisionSettings
    window: int
    short_clips: ShortClips
    side: int | None
    fresh: float
    shares: Shares
    split_seed: int
    training: TrainingSettings
    initial: Path | None
    pretraining: PretrainingSettings | None
    workers: int
    description: Description


def run_experiment(experiment: Experiment) -> ModelCard:
    """Train, calibrate on the validation people, measure on the test people.

    `experiment.out` receives `checkpoint/` (weights, card, figures), `history.json`, and the
    weights of the best and the last epoch; face crops are cached in `experiment.data/.faces`.

    Raises:
        InvalidRequest: When the data set is too small to be divided.
    """
    experiment.out.mkdir(parents=True, exist_ok=True)
    faces = load_faces(experiment.data, experiment.vision, workers=experiment.workers)
    parts = _divide(faces, experiment)
    transform = CropTransform()
    torch.manual_seed(experiment.training.seed)
    model = ResNetLSTM(experiment.architecture)
    if experiment.initial is not None:
        safetensors.torch.load_model(model, str(experiment.initial))
    if experiment.pretraining is not None:
        pretrain(
            model,
            parts[Split.TRAIN],
            parts[Split.VAL],
            experiment.pretraining,
            margin=experiment.vision.crop_margin,
            device=best_device(),
            on_report=lambda report: tqdm.write(str(report)),
        )
        safetensors.torch.save_model(model, str(experiment.out / PRETRAINED_FILE))

    history = train(
        model,
        ClipDataset(
            parts[Split.TRAIN],
            transform,
            window=experiment.window,
            short_clips=experiment.short_clips,
            side=experiment.side,
            augmented=True,
            fresh=FreshForgeries(
                parts[Split.TRAIN], margin=experiment.vision.crop_margin, share=experiment.fresh
            ),
            seed=experiment.training.seed,
        ),
        ClipDataset(
            parts[Split.VAL],
            transform,
            window=experiment.window,
            short_clips=experiment.short_clips,
            side=experiment.side,
            augmented=False,
        ),
        experiment.training,
        device=best_device(),
        out=experiment.out,
    )
    (experiment.out / HISTORY_FILE).write_text(
        json.dumps([asdict(record) for record in history], indent=2) + "\n"
    )
    return _publish_run(experiment, model.cpu(), transform, parts, history)


def load_faces(folder: Path, settings: VisionSettings, *, workers: int) -> list[FaceClips]:
    """Extract the faces of a labelled folder, with a progress bar; say what is left out."""
    videos = read_labelled_videos(folder)
    with tqdm(total=len(videos), unit="video", desc="faces") as bar:

        def advance(video: LabelledVideo, problem: str | None) -> None:
            bar.update()
            if problem:
                bar.write(f"left out {video.id}: {problem}", file=sys.stderr)

        return extract_data_set(
            videos, settings, folder / ".faces", workers=workers, on_video=advance
        )


def _divide(faces: Sequence[FaceClips], experiment: Experiment) -> dict[Split, list[FaceClips]]:
    """The parts that a data set was prepared with, or else a split by person."""
    if is_prepared(experiment.data):
        parts = {
            split: [item for item in faces if item.video.part == split.value] for split in Split
        }
    else:
        placed = split_groups(
            (item.video.group for item in faces), experiment.shares, experiment.split_seed
        )
        parts = {
            split: [item for item in faces if placed[item.video.group] is split] for split in Split
        }
    for split, items in parts.items():
        if len({item.video.label for item in items}) < len(LABELS):
            raise InvalidRequest(
                f"the {split} part has {len(items)} videos and lacks one of the classes: add "
                f"videos of more people to {experiment.data}"
            )
    return parts


def _publish_run(
    experiment: Experiment,
    model: ResNetLSTM,
    transform: CropTransform,
    parts: dict[Split, list[FaceClips]],
    history: Sequence[EpochRecord],
) -> ModelCard:
    """Write the checkpoint, calibrate it as it will be loaded, and write it again."""
    folder = experiment.out / CHECKPOINT_FOLDER
    figures = draw_curves(history, folder / FIGURES_FOLDER)
    draft = CardDraft(
        **experiment.description.card_fields(),
        created_at=datetime.now(UTC).replace(microsecond=0),
        architecture=experiment.architecture,
        dtype="float16",
        face_mode=experiment.vision.face_mode,
        clip_length=experiment.vision.clip_length,
        short_clips=experiment.short_clips,
        input_size=experiment.vision.crop_size,
        crop_margin=experiment.vision.crop_margin,
        mean=transform.mean,
        std=transform.std,
        labels=LABELS,
        temperature=1.0,
        thresholds=_UNCALIBRATED,
        training_data=_training_data(experiment.description.data, parts[Split.TRAIN]),
        evaluations=(),
        figures=tuple(str(path.relative_to(folder)) for path in figures),
    )
    save_checkpoint(folder, model=model, draft=draft)
    # Half precision moves the logits a little: calibrate what will be served.
    checkpoint = load_checkpoint(folder)
    classifier = ClipClassifier(checkpoint, best_device())
    val = score_videos(classifier, parts[Split.VAL])
    test = score_videos(classifier, parts[Split.TEST])
    temperature = round(fit_temperature(*clip_logits(val)), 4)
    probabilities, labels = video_probabilities(val, temperature)
    thresholds = choose_thresholds(labels, probabilities)
    caution = caution_about(experiment.data)
    shown = f"videos. {caution}" if caution else "people."
    evaluations = tuple(
        row
        for split, scored, note in (
            (Split.VAL, val, f"Temperature and thresholds were chosen on these {shown}"),
            (Split.TEST, test, f"Used for nothing else: these {shown}"),
        )
        for row in evaluate(
            scored, split=split, temperature=temperature, thresholds=thresholds, note=note
        )
    )
    calibrated = draft.model_copy(
        update={
            "temperature": temperature,
            "thresholds": thresholds,
            "evaluations": evaluations,
        }
    )
    return save_checkpoint(folder, model=checkpoint.model.cpu(), draft=calibrated)


def _training_data(description: str, faces: Iterable[FaceClips]) -> TrainingData:
    videos = [item.video for item in faces]
    return TrainingData(
        description=description,
        manipulations=tuple(sorted({video.method for video in videos if video.method})),
        people=len({video.group for video in videos}),
        videos_real=sum(video.label == LABELS["real"] for video in videos),
        videos_fake=sum(video.label == LABELS["fake"] for video in videos),
    )
