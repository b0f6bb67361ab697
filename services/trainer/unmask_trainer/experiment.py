"""A training run from labelled videos to a checkpoint with its card; it can be resumed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.model.card import ModelCard
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_trainer.configuration import ExperimentSettings
from unmask_trainer.data_sets import load_data_sets
from unmask_trainer.datasets.folder_lock import locked
from unmask_trainer.datasets.splits import Split
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.earlier_runs import shared_stages, take_over_stages
from unmask_trainer.finishing import finish_run
from unmask_trainer.initialisation.initialise import initialise
from unmask_trainer.running import INITIAL_FILE, RUN_FILE, Run, differences
from unmask_trainer.stages import run_stage
from unmask_trainer.training.errors import InvalidExperiment
from unmask_trainer.training.hardware import launch
from unmask_trainer.training.loop import Watcher
from unmask_trainer.training.records import EpochRecord

HISTORY_FILE: Final = "history.json"


def run_experiment(
    settings: ExperimentSettings,
    data: Sequence[Path],
    out: Path,
    *,
    workers: int,
    watcher: Watcher,
    earlier: Path | None = None,
) -> ModelCard | None:
    """Train, calibrate on the validation people, measure on the test people.

    `out` receives `checkpoint/` (weights, card, figures), `history.json`, `tensorboard/` and the
    states of the stages. A run that was ended in the middle goes on when it is called again with
    the same settings and data.

    Args:
        settings: The experiment.
        data: Folders, prepared or with `real/` and `fake/`.
        out: Folder of the run.
        workers: Processes that extract faces.
        watcher: Is told how training goes.
        earlier: Folder of a run that began with the same stages, which are taken over.

    Returns:
        The card; None in all processes of a distributed run but the first.

    Raises:
        InvalidExperiment: The data is too small to be divided, `out` holds another experiment, or
            `earlier` one that begins in another way.
    """
    out.mkdir(parents=True, exist_ok=True)
    fabric = launch(settings.hardware, out)
    with fabric.rank_zero_first():
        vision = settings.crops.vision()
        data_sets = load_data_sets(data, vision, settings.split, workers=workers)
    run = Run(fabric=fabric, settings=settings, data_sets=data_sets, out=out, watcher=watcher)
    if not fabric.is_global_zero:
        _train(run)
        return None
    with locked(out):
        shared = shared_stages(run, earlier) if earlier else 0
        _claim(run)
        if earlier:
            take_over_stages(run, earlier, shared)
        model, start, history = _train(run)
        with replacing(out / HISTORY_FILE) as partial:
            partial.write_text(
                json.dumps([record.document() for record in history], indent=2) + "\n"
            )
        return finish_run(settings, model.cpu(), data_sets, history, out, start=start)


def _train(run: Run) -> tuple[ResNetLSTM, str, list[EpochRecord]]:
    """Run all stages; the model, what it started from, and all epochs."""
    torch.manual_seed(run.settings.seed)
    model = ResNetLSTM(run.settings.model)
    start = initial_weights(run, model)
    history: list[EpochRecord] = []
    for number, stage in enumerate(run.settings.stages):
        history += run_stage(run, model, stage, number=number)
    return model, start, history


def initial_weights(run: Run, model: ResNetLSTM) -> str:
    """Give the model its first weights, which are kept: some take long to make.

    Args:
        run: The run, whose folder keeps them.
        model: Gets the weights.

    Returns:
        What they are, in words.
    """
    path = run.out / INITIAL_FILE
    faces = [item for one in run.data_sets for item in one.parts[Split.TRAIN]]

    def draw_crops(rng: np.random.Generator, count: int) -> list[NDArray[np.uint8]]:
        chosen = [faces[i].load() for i in rng.integers(len(faces), size=count)]
        return [np.array(crops[int(rng.integers(len(crops)))]) for crops in chosen]

    with run.fabric.rank_zero_first():
        if not path.exists():
            words = initialise(
                model,
                run.settings.initialisation,
                crops=draw_crops,
                side=run.settings.stages[0].side or run.settings.crops.size,
                device=run.fabric.device,
                folder=run.out,
                on_report=lambda report: tqdm.write(str(report)),
            )
            with replacing(path) as partial:
                safetensors.torch.save_model(model, str(partial), metadata={"start": words})
    safetensors.torch.load_model(model, str(path))
    with safetensors.safe_open(str(path), "pt") as file:
        kept: Mapping[str, str] = file.metadata()
    return kept["start"]


def _claim(run: Run) -> None:
    """Write down what this run is of; refuse to go on with another one's weights."""
    about = run.description()
    path = run.out / RUN_FILE
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if different := differences(about, before):
            raise InvalidExperiment(
                f"{run.out} holds a run with another {' and other '.join(different)}: give another "
                "--out, or remove it to start anew"
            )
        return
    with replacing(path) as partial:
        partial.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
