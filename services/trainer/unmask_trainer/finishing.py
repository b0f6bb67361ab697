"""From trained weights to a checkpoint: calibrated, measured, described."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from unmask_shared.model.card import LABELS, CardDraft, Evaluation, ModelCard, TrainingData
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.scoring import Thresholds
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.calibration import choose_thresholds, fit_temperature
from unmask_trainer.configuration import ExperimentSettings
from unmask_trainer.data_sets import DataSet
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.splits import Split
from unmask_trainer.evaluation.scoring import (
    ScoredVideo,
    clip_logits,
    evaluate,
    score_videos,
    video_probabilities,
)
from unmask_trainer.figures import draw_curves
from unmask_trainer.training.errors import InvalidExperiment
from unmask_trainer.training.records import EpochRecord

CHECKPOINT_FOLDER: Final = "checkpoint"
FIGURES_FOLDER: Final = "figures"

_UNCALIBRATED: Final = Thresholds(real_below=0.5, fake_above=0.5)


def finish_run(
    settings: ExperimentSettings,
    model: ResNetLSTM,
    data_sets: Sequence[DataSet],
    history: Sequence[EpochRecord],
    out: Path,
    *,
    start: str,
) -> ModelCard:
    """Write the checkpoint, calibrate it as it will be loaded, and write it again.

    Args:
        settings: The experiment.
        model: On the CPU, with its final weights.
        data_sets: Validation decides temperature and thresholds; the test is only measured on.
        history: All epochs of all stages, for the curves.
        out: Folder of the run; `checkpoint/` is written.
        start: What the network started from, in words.

    Raises:
        InvalidExperiment: The data sets to calibrate on are unknown, or lack a class.
    """
    folder = out / CHECKPOINT_FOLDER
    figures = draw_curves(history, folder / FIGURES_FOLDER)
    draft = _draft(settings, data_sets, start, [str(path.relative_to(folder)) for path in figures])
    save_checkpoint(folder, model=model, draft=draft)
    # Half precision moves the logits a little: calibrate what will be served.
    checkpoint = load_checkpoint(folder)
    classifier = ClipClassifier(checkpoint, best_device())
    scored = {
        split: {one.name: score_videos(classifier, one.parts[split]) for one in data_sets}
        for split in (Split.VAL, Split.TEST)
    }
    by_set = _chosen(settings, scored[Split.VAL])
    chosen = [video for videos in by_set.values() for video in videos]
    temperature = round(fit_temperature(*clip_logits(chosen)), 4)
    probabilities, labels = video_probabilities(chosen, temperature)
    set_names = [name for name, videos in by_set.items() for _ in videos]
    thresholds = choose_thresholds(labels, probabilities, set_names)
    caution = " ".join(sorted({one.caution for one in data_sets if one.caution}))
    shown = f"videos. {caution}" if caution else "people."
    notes = {
        Split.VAL: f"Training stopped by these {shown}",
        Split.TEST: f"Used for nothing else: these {shown}",
    }
    rows: list[Evaluation] = []
    rows += evaluate(
        chosen,
        split="calibration" if settings.calibrate_on else Split.VAL,
        temperature=temperature,
        thresholds=thresholds,
        note=f"Temperature and thresholds were chosen on these {shown}",
    )
    for split, name, videos in _sets(scored):
        if (split, name) == (Split.VAL, "") and not settings.calibrate_on:
            continue
        rows += evaluate(
            videos,
            split=f"{split} {name}".strip(),
            temperature=temperature,
            thresholds=thresholds,
            note=notes[split],
        )
    calibrated = draft.model_copy(
        update={
            "temperature": temperature,
            "thresholds": thresholds,
            "evaluations": tuple(rows),
        }
    )
    return save_checkpoint(folder, model=checkpoint.model.cpu(), draft=calibrated)


def _chosen(
    settings: ExperimentSettings, scored: dict[str, list[ScoredVideo]]
) -> dict[str, list[ScoredVideo]]:
    """The videos to calibrate on, by data set."""
    unknown = set(settings.calibrate_on) - set(scored)
    if unknown:
        raise InvalidExperiment(
            f"calibrate_on names {sorted(unknown)}, but the data sets are {sorted(scored)}"
        )
    names = settings.calibrate_on or tuple(scored)
    chosen = {name: scored[name] for name in names}
    labels = {video.faces.video.label for videos in chosen.values() for video in videos}
    if len(labels) < len(LABELS):
        raise InvalidExperiment(
            f"the validation people of {', '.join(names)} lack one of the classes: calibrate on "
            "data sets that have both"
        )
    return chosen


def _sets(
    scored: dict[Split, dict[str, list[ScoredVideo]]],
) -> Iterable[tuple[Split, str, list[ScoredVideo]]]:
    """Each part as a whole, and by data set where there are several."""
    for split, by_name in scored.items():
        yield split, "", [video for videos in by_name.values() for video in videos]
        if len(by_name) > 1:
            for name, videos in by_name.items():
                if videos:
                    yield split, name, videos


def _draft(
    settings: ExperimentSettings, data_sets: Sequence[DataSet], start: str, figures: Sequence[str]
) -> CardDraft:
    transform, crops = CropTransform(), settings.crops
    return CardDraft(
        **settings.card.card_fields(),
        created_at=datetime.now(UTC).replace(microsecond=0),
        architecture=settings.model,
        dtype="float16",
        face_mode=crops.face_mode,
        clip_length=crops.clip_length,
        short_clips=crops.short_clips,
        input_size=crops.size,
        crop_margin=crops.margin,
        mean=transform.mean,
        std=transform.std,
        labels=LABELS,
        temperature=1.0,
        thresholds=_UNCALIBRATED,
        training_data=_training_data(settings, data_sets, start),
        evaluations=(),
        figures=tuple(figures),
    )


def _training_data(
    settings: ExperimentSettings, data_sets: Sequence[DataSet], start: str
) -> TrainingData:
    faces: list[FaceClips] = [item for one in data_sets for item in one.parts[Split.TRAIN]]
    videos = [item.video for item in faces]
    stored = {video.method for video in videos if video.method}
    fresh = any(stage.fresh for stage in settings.stages)
    made = {f"{name} (made in training)" for name in settings.forgeries} if fresh else set()
    return TrainingData(
        description=f"{settings.card.data} {start}".strip(),
        manipulations=tuple(sorted(stored | made)),
        people=len({video.group for video in videos}),
        videos_real=sum(video.label == LABELS["real"] for video in videos),
        videos_fake=sum(video.label == LABELS["fake"] for video in videos),
    )
