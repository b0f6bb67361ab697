"""How fast training is, against its parts: `.venv/bin/python bench/training.py`.

Crops are noise of the right size: what a step costs does not depend on what is on them, and neither
do the augmentations. Forgeries made anew do; `--fresh` says which share of them there is.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.training.feeding import FeedSettings, make_feed
from unmask_trainer.training.loop import Feed, FitSettings, fit
from unmask_trainer.training.objectives import ClipObjective
from unmask_trainer.training.optimisation import make_descent
from unmask_trainer.training.plan import PlanSettings
from unmask_trainer.training.records import EpochRecord
from unmask_trainer.training.samples import Batch, Samples, SampleSettings
from unmask_trainer.training.settings import AugmentationSettings, OptimiserSettings
from unmask_trainer.training.units import units_of

_MARGIN = VisionSettings.crop_margin


class Silent:
    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None: ...


def main() -> None:
    options = _options()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as name:
        faces = _faces(Path(name), options.size, options.clips)
        bare = statistics.median(_bare_step(options, device) for _ in range(options.rounds))
        readers = statistics.median(_readers(options, faces) for _ in range(options.rounds))
        record = _loop(options, faces, Path(name))
    frames = record.clips_per_second * options.window
    rows = [
        ("model step alone", bare, 1.0),
        (f"{options.loaders} readers alone", readers, readers / bare),
        ("training, all of it", frames, frames / bare),
    ]
    print(f"{options.trunk}, {options.size} px, clips of {options.window}, {device}\n")
    print("| | images/s | ratio |\n|---|--:|--:|")
    for what, rate, ratio in rows:
        print(f"| {what} | {rate:.0f} | {ratio:.2f} |")
    print(f"\nTraining waited {record.waited:.1%} of its time for data.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunk", default="resnet18")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--fresh", type=float, default=0.3)
    parser.add_argument("--loaders", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default=None, help="of the bare step and of training")
    return parser.parse_args()


def _faces(folder: Path, size: int, clips: int) -> list[FaceClips]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(clips):
        for label in (0, 1):
            path = folder / f"{number}-{label}.npy"
            np.save(path, rng.integers(0, 256, (16, size, size, 3), np.uint8))
            video = LabelledVideo(path=folder / f"{number}.mp4", label=label, group=str(number))
            found.append(FaceClips(video=video, crops_path=path, clips=((0, 16),)))
    return found


def _feed(options: argparse.Namespace, faces: list[FaceClips]) -> Feed:
    def samples(augmentation: AugmentationSettings | None) -> Samples:
        shown = faces if augmentation else faces[: 2 * options.batch_size]
        return Samples(
            units_of(shown, "noise"),
            FreshForgeries(faces, margin=_MARGIN),
            SampleSettings(
                window=options.window,
                margin=_MARGIN,
                short_clips="mask",
                side=None,
                augmentation=augmentation,
            ),
        )

    return make_feed(
        samples(AugmentationSettings()),
        samples(None),
        PlanSettings(balance="pairs", fresh=options.fresh, repeats={}, seed=0),
        FeedSettings(
            batch_size=options.batch_size,
            loaders=options.loaders,
            pinned=torch.cuda.is_available(),
        ),
    )


def _objective(options: argparse.Namespace) -> ClipObjective:
    torch.manual_seed(0)
    model = ResNetLSTM(Architecture(trunk=options.trunk))
    return ClipObjective(model, CropTransform(), class_weights=(1, 1), label_smoothing=0)


def _fabric(options: argparse.Namespace) -> Fabric:
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return Fabric(accelerator=accelerator, devices=1, precision=options.precision)


def _bare_step(options: argparse.Namespace, device: torch.device) -> float:
    """Images a second of forward, backward and step on one batch that stays where it is."""
    fabric, objective = _fabric(options), _objective(options)
    descent = make_descent(objective, objective.trunk(), OptimiserSettings(), steps=100)
    wrapped, optimiser = fabric.setup(objective, descent.optimiser)
    batch = Batch(
        crops=torch.randint(
            0, 256, (options.batch_size, options.window, options.size, options.size, 3)
        ).to(device, torch.uint8),
        lengths=torch.full((options.batch_size,), options.window),
        labels=torch.arange(options.batch_size, device=device) % 2,
        masks=torch.zeros(options.batch_size, 7, 7, device=device),
        units=torch.zeros(options.batch_size, dtype=torch.int64, device=device),
    )

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(wrapped(batch).loss)
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return options.batch_size * options.window / _seconds(step, times=6)


def _seconds(action: Callable[[], None], *, times: int) -> float:
    action()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _readers(options: argparse.Namespace, faces: list[FaceClips]) -> float:
    """Images a second that the readers deliver when nobody trains."""
    batches: Iterator[Batch] = _feed(options, faces).train(1, 0)
    next(batches)
    started, count = time.perf_counter(), 0
    for batch in batches:
        count += batch.crops.shape[0] * batch.crops.shape[1]
    return count / (time.perf_counter() - started)


def _loop(options: argparse.Namespace, faces: list[FaceClips], folder: Path) -> EpochRecord:
    """The second of two epochs: in the first, the readers start."""
    objective = _objective(options)
    descent = make_descent(objective, objective.trunk(), OptimiserSettings(), steps=100)
    settings = FitSettings(
        name="bench",
        folder=folder,
        epochs=2,
        patience=3,
        monitor="loss",
        gradient_norm=5.0,
        seed=0,
        save_every_s=3600,
    )
    feed = _feed(options, faces)
    return fit(_fabric(options), objective, descent, feed, settings, watcher=Silent())[-1]


if __name__ == "__main__":
    main()
