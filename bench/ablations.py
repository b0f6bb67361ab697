"""What each part of the recipe is worth: `.venv/bin/python bench/ablations.py run --data DIR`.

Each row is a short training on single crops with one thing changed (`ROWS`), measured frame by
frame by the head it was trained with, on people whom no row has seen. Rows of one comparison are
shown the same number of pictures. Rows that are done are not done again, and one that was killed
goes on; `table` prints what has ended.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.configuration import (
    CropSettings,
    ExperimentSettings,
    SplitSettings,
    read_experiment,
)
from unmask_trainer.data_sets import DataSet, load_data_sets, load_faces
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.datasets.splits import Split
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.evaluation.degradations import jpeg
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.summary import estimate_auc
from unmask_trainer.experiment import initial_weights
from unmask_trainer.running import Run
from unmask_trainer.stages import run_stage
from unmask_trainer.training.hardware import launch
from unmask_trainer.training.loop import BEST_FILE
from unmask_trainer.training.objectives import FrameObjective
from unmask_trainer.training.records import EpochRecord

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "ablations.toml"
METHODS = ("self_blend", "face_swap", "mouth_reenactment", "network", "box_paste")
TRAINED_ON = ("dfdc", "congress")
HELD_OUT = "lfw"
# Side of the prepared crops, in pixels.
PREPARED = 224


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a row changes.

    Attributes:
        changes: Of the experiment, as `train --set` takes them.
        without_method: Is not made.
        without_data: Is not trained on.
    """

    changes: tuple[str, ...] = ()
    without_method: str = ""
    without_data: str = ""


_DISTILLED = "initialisation={kind = 'distillation', steps = 100, save_every = 25}"
ROWS = {
    "base": Row(),
    "without face_swap": Row(without_method="face_swap"),
    "without network": Row(without_method="network"),
    "without self_blend": Row(without_method="self_blend"),
    "without dfdc": Row(changes=("stages.0.repeats={congress = 3.64}",), without_data="dfdc"),
    "160 px": Row(changes=("crops.size=160",)),
    "224 px": Row(changes=("crops.size=224",)),
    "scratch": Row(changes=("initialisation.kind=scratch",)),
    "dlib": Row(changes=("model.trunk=resnet29_face", "initialisation.kind=dlib_face")),
    "resnet18": Row(changes=("model.trunk=resnet18", "initialisation.kind=scratch")),
    "resnet18 distilled": Row(changes=("model.trunk=resnet18", _DISTILLED)),
    "resnet34": Row(changes=("model.trunk=resnet34", "initialisation.kind=scratch")),
    "another seed": Row(changes=("seed=2",)),
}


@dataclass(frozen=True, kw_only=True)
class Exam:
    """Crops that nobody was trained on; all fields of one length N.

    Attributes:
        crops: (N, S, S, 3) uint8 RGB.
        labels: (N,) 0 for real, 1 for fake.
        people: (N,) who is shown.
        methods: (N,) how it was forged; empty for real crops.
    """

    crops: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: NDArray[np.str_]
    methods: NDArray[np.str_]

    def save(self, path: Path) -> None:
        np.savez(path, **self.__dict__)

    @classmethod
    def load(cls, path: Path) -> "Exam":
        with np.load(path) as stored:
            return cls(**stored)


class Reporter:
    """Prints a line now and then, and remembers what the row cost."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.batches = 0
        self.processor_s = 0.0

    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None:  # noqa: ARG002
        self.batches = batches
        if batch == batches:
            self.processor_s = time.process_time()
        if batch % 25 == 0:
            print(f"{self._name}: {batch} of {batches}", flush=True)

    def on_epoch(self, record: EpochRecord) -> None:
        print(f"{self._name}: loss {record.train_loss:.3f}", flush=True)


def main() -> None:
    options = _options()
    if options.what == "run":
        torch.set_num_threads(options.threads)
        exams = make_exams(options.data, options.dev, options.out / "exams")
        for name in options.rows or ROWS:
            run_row(name, options.data, options.out / _folder(name), exams)
    print(table(options.out))


def make_exams(data: Path, dev: Path | None, folder: Path) -> dict[str, Exam]:
    """The exams, made once: all rows judge the same forgeries of photographs."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = read_experiment(EXPERIMENT)
    names = {*TRAINED_ON, HELD_OUT} | ({"dev"} if dev else set())
    if missing := [name for name in sorted(names) if not (folder / f"{name}.npz").exists()]:
        sets = {one.name: one for one in _load(data, (*TRAINED_ON, HELD_OUT))}
        for name in missing:
            match name:
                case "dfdc":
                    exam = _as_it_is(sets["dfdc"].parts[Split.VAL], frames=1)
                case "lfw":
                    people = tuple(one for part in sets[HELD_OUT].parts.values() for one in part)
                    exam = _forged(people[:150], settings, each=METHODS)
                case "congress":
                    parts = sets["congress"].parts
                    exam = _forged(parts[Split.VAL] + parts[Split.TEST], settings)
                case _:
                    assert dev is not None
                    crops = CropSettings(size=PREPARED, margin=settings.crops.margin)
                    exam = _as_it_is(load_faces(dev, crops.vision(), workers=1), frames=4)
            exam.save(folder / f"{name}.npz")
    return {name: Exam.load(folder / f"{name}.npz") for name in sorted(names)}


def _as_it_is(faces: Sequence[FaceClips], *, frames: int) -> Exam:
    """Up to `frames` crops of each video, spread over it."""
    shown: list[tuple[NDArray[np.uint8], FaceClips]] = []
    for item in faces:
        crops = item.load()
        places = np.linspace(0, len(crops) - 1, min(frames, len(crops))).round().astype(int)
        shown += [(np.array(crops[place]), item) for place in places]
    return Exam(
        crops=np.stack([crop for crop, _ in shown]),
        labels=np.array([item.video.label for _, item in shown]),
        people=np.array([item.video.person or item.video.group for _, item in shown]),
        methods=np.array([item.video.method for _, item in shown]),
    )


def _forged(
    faces: Sequence[FaceClips], settings: ExperimentSettings, *, each: Sequence[str] = ()
) -> Exam:
    """Photographs and forgeries of them, by `each` method or by one in turn, compressed alike."""
    makers = {
        name: FreshForgeries(faces, margin=settings.crops.margin, methods={name: 1.0})
        for name in METHODS
    }
    crops, people, methods = [], [], []
    for number, item in enumerate(faces):
        rng = np.random.default_rng([7, number])
        real, person = np.array(item.load()[:1]), item.video.person or item.video.group
        quality = int(rng.integers(50, 96))
        crops.append(jpeg(real, quality)[0])
        people.append(person)
        methods.append("")
        for name in each or (METHODS[number % len(METHODS)],):
            forged = makers[name].forge(real, item.video.group, rng)
            crops.append(jpeg(forged.crops, quality)[0])
            people.append(person)
            methods.append(name)
    return Exam(
        crops=np.stack(crops),
        labels=np.array([int(bool(name)) for name in methods]),
        people=np.array(people),
        methods=np.array(methods),
    )


def run_row(name: str, data: Path, out: Path, exams: dict[str, Exam]) -> None:
    """Train and measure a row, unless that was done."""
    done = out / "row.json"
    if done.exists():
        return
    row = ROWS[name]
    settings = read_experiment(EXPERIMENT, row.changes)
    if row.without_method:
        left = {
            key: value for key, value in settings.forgeries.items() if key != row.without_method
        }
        settings = settings.model_copy(update={"forgeries": left})
    stage, side = settings.stages[0], settings.crops.size
    out.mkdir(parents=True, exist_ok=True)
    data_sets = [
        _scaled(one, side, out.parent / "crops" / str(side))
        for one in _load(data, TRAINED_ON)
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
    np.savez(out / "scores.npz", **scores)
    document = {
        "seed": settings.seed,
        "start": start,
        "pictures": reporter.batches * stage.batch_size,
        "processor_s": {
            "start": initialised - before,
            "training": reporter.processor_s - initialised,
        },
        "wall_s": wall,
        "auc": {exam: _aucs(one, scores[exam]) for exam, one in exams.items()},
    }
    done.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _load(data: Path, names: Sequence[str]) -> list[DataSet]:
    """The crops as they were prepared, which is larger than most rows want them."""
    crops = CropSettings(size=PREPARED, margin=read_experiment(EXPERIMENT).crops.margin)
    return load_data_sets(
        [data / name for name in names], crops.vision(), SplitSettings(), workers=1
    )


def _scaled(data: DataSet, side: int, folder: Path) -> DataSet:
    """With crops of `side` pixels, which are made where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)

    def scaled(item: FaceClips) -> FaceClips:
        path = folder / item.crops_path.name
        if not path.exists():
            with replacing(path) as partial, partial.open("wb") as file:
                np.save(file, np.stack([_resized(crop, side) for crop in item.load()]))
        return replace(item, crops_path=path)

    # A single epoch leaves nothing to choose by validation.
    kept = {Split.TRAIN: data.parts[Split.TRAIN], Split.VAL: data.parts[Split.VAL][:64]}
    return replace(data, parts={part: tuple(map(scaled, items)) for part, items in kept.items()})


@torch.inference_mode()
def frame_scores(
    objective: FrameObjective, crops: NDArray[np.uint8], side: int
) -> NDArray[np.float64]:
    """(N,) log-odds of being fake."""
    objective.eval()
    found = []
    for first in range(0, len(crops), 64):
        batch = np.stack([_resized(crop, side) for crop in crops[first : first + 64]])
        pixels = CropTransform().normalise(torch.from_numpy(batch))
        with torch.autocast("cpu", torch.bfloat16):
            features = objective.trunk()(pixels.contiguous(memory_format=torch.channels_last))
        found.append(objective.label_head(features.float())[:, 0].double().numpy())
    return np.concatenate(found)


def _resized(crop: NDArray[np.uint8], side: int) -> cv2.typing.MatLike:
    """As a stage with a `side` scales crops."""
    return cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)


def _aucs(exam: Exam, scores: NDArray[np.float64]) -> dict[str, tuple[float | None, ...]]:
    """AUC and the ends of its interval, of all forgeries and of each method."""
    found = {"all": _auc(exam, scores, np.ones(len(scores), bool))}
    for method in sorted(set(exam.methods) - {""}):
        found[method] = _auc(exam, scores, (exam.labels == 0) | (exam.methods == method))
    return found


def _auc(
    exam: Exam, scores: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[float | None, ...]:
    sample = Sample(
        labels=exam.labels[chosen],
        probabilities=1 / (1 + np.exp(-scores[chosen])),
        facts=tuple(Facts(dataset="exam", identities=(str(who),)) for who in exam.people[chosen]),
    )
    estimate = estimate_auc(sample, Resampling())
    return estimate.value, estimate.low, estimate.high


def _folder(name: str) -> str:
    return name.replace(" ", "-")


def table(out: Path) -> str:
    """Markdown of all rows that have ended."""
    exams = [
        ("dfdc", "all", "DFDC validation"),
        ("congress", "all", "portraits"),
        *((HELD_OUT, method, method) for method in ("all", *METHODS)),
        ("dev", "all", "dev clips"),
    ]
    heads = ["row", "pictures", "processor s", *(title for *_, title in exams)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in ROWS:
        path = out / _folder(name) / "row.json"
        if not path.exists():
            continue
        row = json.loads(path.read_text(encoding="utf-8"))
        cells = [name, f"{row['pictures']:,}", f"{sum(row['processor_s'].values()):.0f}"]
        for exam, part, _ in exams:
            value, low, high = row["auc"].get(exam, {}).get(part, (None,) * 3)
            cells.append("-" if value is None else f"{value:.3f} ({low:.3f} to {high:.3f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--data", type=Path, default=Path("runs/ablations/data"))
    parser.add_argument("--dev", type=Path, help="a folder with real/ and fake/ to look at only")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations/rows"))
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="some of them, in this order")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
