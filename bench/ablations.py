"""What each part of the recipe is worth: `.venv/bin/python bench/ablations.py run --data DIR`.

Each row is a short training on single crops with one thing changed (`ROWS`), measured frame by
frame by the head it was trained with, on people whom no row has seen. Rows of one comparison are
shown the same number of pictures. Rows that are done are not done again, and one that was killed
goes on; `table` prints what has ended.
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ablation_exams import (
    EXPERIMENT,
    TRAINED_ON,
    Exam,
    frame_scores,
    load_prepared,
    make_exams,
    scaled_crop,
)
from ablation_tables import ROW_FILE, SCORES_FILE, aucs, folder_of, table

from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.configuration import (
    read_experiment,
)
from unmask_trainer.data_sets import DataSet
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.splits import Split
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.experiment import initial_weights
from unmask_trainer.running import Run
from unmask_trainer.stages import run_stage
from unmask_trainer.training.hardware import launch
from unmask_trainer.training.loop import BEST_FILE
from unmask_trainer.training.objectives import FrameObjective
from unmask_trainer.training.records import EpochRecord


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a row changes.

    Attributes:
        changes: Of the experiment, as `train --set` takes them.
        without_method: Is not made.
        without_data: Is not trained on.
        reference: The row that differs in nothing else.
    """

    changes: tuple[str, ...] = ()
    without_method: str = ""
    without_data: str = ""
    reference: str = "base"


def _short(*changes: str) -> Row:
    """Half the pictures."""
    half = "stages.0.repeats={dfdc = 0.098, congress = 0.455}"
    return Row(changes=(half, *changes), reference="short")


_LONG = "stages.0.repeats={dfdc = 1.57, congress = 7.3}"  # eight times the pictures
_FULL = "stages.0.repeats={dfdc = 6.28, congress = 29.2}"  # 32 times: 3/4 of the default's crops

_DISTILLED = "initialisation={kind = 'distillation', steps = 50, save_every = 25}"
ROWS = {
    "base": Row(),
    "without face_swap": Row(without_method="face_swap"),
    "without network": Row(without_method="network"),
    "without self_blend": Row(without_method="self_blend"),
    "without dfdc": Row(changes=("stages.0.repeats={congress = 3.64}",), without_data="dfdc"),
    "another seed": Row(changes=("seed=2",)),
    "long": Row(changes=(_LONG,), reference="long"),
    "long without face_swap": Row(changes=(_LONG,), without_method="face_swap", reference="long"),
    "full": Row(changes=(_FULL,), reference="full"),
    "full without face_swap": Row(changes=(_FULL,), without_method="face_swap", reference="full"),
    "short": _short(),
    "short 160 px": _short("crops.size=160"),
    "short 224 px": _short("crops.size=224"),
    "short scratch": _short("initialisation.kind=scratch"),
    "short dlib": _short("model.trunk=resnet29_face", "initialisation.kind=dlib_face"),
    "short resnet18": _short("model.trunk=resnet18", "initialisation.kind=scratch"),
    "short resnet18 distilled": _short("model.trunk=resnet18", _DISTILLED),
    "short resnet34": _short("model.trunk=resnet34", "initialisation.kind=scratch"),
}


class Reporter:
    """Prints a line now and then, and remembers what the row cost."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.batches = 0
        self.processor_s = 0.0

    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None:  # noqa: ARG002 - as all watchers
        self.batches = batches
        if batch == batches:
            self.processor_s = time.process_time()
        if batch % 25 == 0:
            print(f"{self._name}: {batch} of {batches}", flush=True)

    def on_epoch(self, record: EpochRecord) -> None:
        print(f"{self._name}: loss {record.train_loss:.3f}", flush=True)


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    exams = make_exams(options.data, options.prepared, options.dev, options.out / "exams")
    if options.what == "run":
        for name in options.rows or ROWS:
            run_row(name, options, exams)
    print(table(options.out, {name: row.reference for name, row in ROWS.items()}, exams))


def run_row(name: str, options: argparse.Namespace, exams: dict[str, Exam]) -> None:
    """Train and measure a row, unless that was done."""
    out: Path = options.out / folder_of(name)
    done = out / ROW_FILE
    if done.exists():
        return
    row = ROWS[name]
    settings = read_experiment(EXPERIMENT, (*row.changes, *options.set))
    if row.without_method:
        left = {
            key: value for key, value in settings.forgeries.items() if key != row.without_method
        }
        settings = settings.model_copy(update={"forgeries": left})
    stage, side = settings.stages[0], settings.crops.size
    out.mkdir(parents=True, exist_ok=True)
    data_sets = [
        _scaled(one, side, out.parent / "crops" / str(side))
        for one in load_prepared(options.data, options.prepared, TRAINED_ON)
        if one.name != row.without_data
    ]
    reporter = Reporter(name)
    run = Run(
        fabric=launch(settings.hardware, out),
        settings=settings,
        data_sets=data_sets,
        out=out,
        watcher=reporter,
    )
    torch.manual_seed(settings.seed)
    model = ResNetLSTM(settings.model)
    before, started = time.process_time(), time.monotonic()
    start = initial_weights(run, model)
    initialised = time.process_time()
    run_stage(run, model, stage, number=0)
    wall = time.monotonic() - started
    objective = FrameObjective(
        model, CropTransform(), class_weights=(1, 1), label_smoothing=0, mask_weight=0
    )
    best = out / "stages" / "1-frames" / BEST_FILE
    objective.load_state_dict(torch.load(best, map_location="cpu", weights_only=True))
    scores = {exam: frame_scores(objective, one.crops, side) for exam, one in exams.items()}
    np.savez(out / SCORES_FILE, **scores)
    document = {
        "seed": settings.seed,
        "start": start,
        "pictures": reporter.batches * stage.batch_size,
        "processor_s": {
            "start": initialised - before,
            "training": reporter.processor_s - initialised,
        },
        "wall_s": wall,
        "auc": {exam: aucs(one, scores[exam]) for exam, one in exams.items()},
    }
    done.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _scaled(data: DataSet, side: int, folder: Path) -> DataSet:
    """With crops of `side` pixels, which are made where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)

    def scaled(item: FaceClips) -> FaceClips:
        path = folder / item.crops_path.name
        if not path.exists():
            with replacing(path) as partial, partial.open("wb") as file:
                np.save(file, np.stack([scaled_crop(crop, side) for crop in item.load()]))
        return replace(item, crops_path=path)

    # A single epoch leaves nothing to choose by validation.
    kept = {Split.TRAIN: data.parts[Split.TRAIN], Split.VAL: data.parts[Split.VAL][:64]}
    return replace(data, parts={part: tuple(map(scaled, items)) for part, items in kept.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--data", type=Path, default=Path("runs/ablations/data"))
    parser.add_argument("--dev", type=Path, help="a folder with real/ and fake/ to look at only")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations/rows"))
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="some of them, in this order")
    parser.add_argument("--prepared", type=int, default=224, help="side of the crops of --data")
    parser.add_argument("--set", nargs="+", default=(), help="KEY=VALUE of the experiment, for all")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
