"""One stage of an experiment, from the data sets to trained weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, assert_never

import safetensors.torch
import torch
from torch import Tensor

from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.data_sets import DataSet
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.datasets.splits import Split
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.running import Run
from unmask_trainer.training.errors import InvalidExperiment
from unmask_trainer.training.feeding import FeedSettings, make_feed
from unmask_trainer.training.loop import Feed, FitSettings, fit
from unmask_trainer.training.objectives import ClipObjective, FrameObjective
from unmask_trainer.training.optimisation import make_descent
from unmask_trainer.training.plan import PlanSettings, class_weights
from unmask_trainer.training.records import EpochRecord
from unmask_trainer.training.samples import Samples, SampleSettings
from unmask_trainer.training.settings import (
    AugmentationSettings,
    ClipStage,
    FrameStage,
    Stage,
)
from unmask_trainer.training.units import Unit, units_of

STAGES_FOLDER: Final = "stages"
WEIGHTS_FILE: Final = "weights.safetensors"
# Written last: with it, the stage is done.
DONE_FILE: Final = "done.json"


def stage_folder(out: Path, number: int, kind: str) -> Path:
    """Where a run keeps what comes of a stage.

    Args:
        out: Folder of the run.
        number: Of the stage, from 0.
        kind: Of the stage.
    """
    return out / STAGES_FOLDER / f"{number + 1}-{kind}"


def run_stage(run: Run, model: ResNetLSTM, stage: Stage, *, number: int) -> list[EpochRecord]:
    """Train a stage, go on with it, or load what came of it.

    Args:
        run: The run.
        model: Gets the stage's weights.
        stage: Its settings.
        number: Of the stage, from 0.

    Raises:
        InvalidExperiment: There is nothing to train on, or nothing to validate on.
    """
    folder = stage_folder(run.out, number, stage.kind)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / DONE_FILE).exists():
        safetensors.torch.load_model(model, str(folder / WEIGHTS_FILE))
        history = json.loads((folder / DONE_FILE).read_text(encoding="utf-8"))
        return [EpochRecord.of(record) for record in history]
    seed = run.settings.seed * 100 + number
    units = {split: _units(run.data_sets, split, stage) for split in (Split.TRAIN, Split.VAL)}
    feed = _feed(run, stage, units, seed)
    torch.manual_seed(seed)
    before = {name: tensor.clone() for name, tensor in model.trunk.state_dict().items()}
    objective = _objective(model, stage, units[Split.TRAIN])
    steps = sum(feed.batches(epoch) for epoch in range(1, stage.epochs + 1))
    records = fit(
        run.fabric,
        objective,
        make_descent(objective, objective.trunk(), stage.optimiser, steps=steps),
        feed,
        FitSettings(
            name=folder.name,
            folder=folder,
            epochs=stage.epochs,
            patience=stage.patience,
            monitor=stage.monitor,
            gradient_norm=stage.optimiser.gradient_norm,
            seed=seed,
            save_every_s=run.settings.hardware.save_every_s,
        ),
        watcher=run.watcher,
    )
    model.requires_grad_(True)
    mix_trunk(model, before, stage.kept)
    if run.fabric.is_global_zero:
        _finish(model, records, folder)
    run.fabric.barrier()
    return records


def _units(data_sets: Sequence[DataSet], split: Split, stage: Stage) -> tuple[Unit, ...]:
    """The units of all data sets that the stage shows."""
    units = tuple(
        unit
        for one in data_sets
        if stage.repeats.get(one.name, 1) > 0
        for unit in units_of(one.parts[split], one.name)
    )
    labels = {piece.label for unit in units for piece in unit.pieces}
    if not units or (len(labels) < 2 and not stage.fresh):
        raise InvalidExperiment(
            f"a stage that trains on {stage.kind} has only one class in the part {split}: add "
            "forgeries, or let some be made by a share of `fresh` above 0"
        )
    return units


def _feed(run: Run, stage: Stage, units: Mapping[Split, Sequence[Unit]], seed: int) -> Feed:
    def samples(split: Split, augmentation: AugmentationSettings | None) -> Samples:
        faces = [item for one in run.data_sets for item in one.parts[split]]
        crops, methods = run.settings.crops, run.settings.forgeries
        return Samples(
            units[split],
            FreshForgeries(faces, margin=crops.margin, methods=methods or None),
            SampleSettings(
                window=stage.window if stage.kind == "clips" else 1,
                margin=crops.margin,
                short_clips=crops.short_clips,
                side=stage.side,
                augmentation=augmentation,
            ),
        )

    return make_feed(
        samples(Split.TRAIN, stage.augmentation),
        samples(Split.VAL, None),
        PlanSettings(balance=stage.balance, fresh=stage.fresh, repeats=stage.repeats, seed=seed),
        FeedSettings(
            batch_size=stage.batch_size,
            loaders=run.settings.hardware.loaders,
            pinned=run.fabric.device.type == "cuda",
            rank=run.fabric.global_rank,
            world=run.fabric.world_size,
        ),
    )


def _objective(
    model: ResNetLSTM, stage: Stage, units: Sequence[Unit]
) -> FrameObjective | ClipObjective:
    transform, weights = CropTransform(), class_weights(units, stage.balance)
    smoothing = stage.optimiser.label_smoothing
    match stage:
        case FrameStage():
            return FrameObjective(
                model,
                transform,
                class_weights=weights,
                label_smoothing=smoothing,
                mask_weight=stage.mask_weight,
            )
        case ClipStage():
            return ClipObjective(model, transform, class_weights=weights, label_smoothing=smoothing)
        case _:
            assert_never(stage)


@torch.no_grad()
def mix_trunk(model: ResNetLSTM, before: Mapping[str, Tensor], kept: float) -> None:
    """Move the trunk's weights and statistics a share of the way back to what they were."""
    for name, tensor in model.trunk.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(before[name].to(tensor), kept)


def _finish(model: ResNetLSTM, records: Sequence[EpochRecord], folder: Path) -> None:
    with replacing(folder / WEIGHTS_FILE) as partial:
        safetensors.torch.save_model(model, str(partial))
    with replacing(folder / DONE_FILE) as partial:
        partial.write_text(json.dumps([record.document() for record in records], indent=2) + "\n")
