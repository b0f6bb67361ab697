"""`python -m unmask_trainer`: makes training data, trains, evaluates, publishes."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.errors import InvalidRequest, UnmaskError
from unmask_shared.model.architecture import Architecture, Trunk
from unmask_shared.model.card import Evaluation
from unmask_shared.model.clips import ShortClips
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.footage import plan_portrait_takes, plan_video_takes, read_persons
from unmask_trainer.datasets.forged import Forged, build_dataset
from unmask_trainer.datasets.splits import Shares
from unmask_trainer.demo_media import make_demo_media
from unmask_trainer.experiment import Description, Experiment, run_experiment
from unmask_trainer.pretraining import PretrainingSettings
from unmask_trainer.publish import measure, publish
from unmask_trainer.statistics.command import add_statistics
from unmask_trainer.training import TrainingSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Returns:
        0, or 2 after an error that the user can do something about.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except UnmaskError as error:
        sys.stderr.write(f"{error.title}: {error.detail}\n{error.action}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m unmask_trainer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_forge(commands.add_parser("forge", help="make real controls and forgeries of footage"))
    add_statistics(commands.add_parser("stats", help="count and measure a folder of videos"))
    _add_demo(commands.add_parser("demo-media", help="make the clips of the demonstration"))
    _add_train(commands.add_parser("train", help="train a checkpoint on real/ and fake/ videos"))
    _add_measure(commands.add_parser("evaluate", help="measure a checkpoint on labelled videos"))
    _add_publish(commands.add_parser("publish", help="put a run's checkpoint where it is served"))
    return parser


def _add_forge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--images", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--persons", type=Path, metavar="CSV", help="columns file,person")
    parser.add_argument("--takes", type=int, default=4, help="takes of each video at most")
    parser.add_argument("--take-frames", type=int, default=48, help="frames of a video's take")
    parser.add_argument("--portrait-frames", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.set_defaults(run=_forge)


def _forge(options: argparse.Namespace) -> None:
    persons = read_persons(options.persons)
    takes = [
        take
        for folder in options.videos
        for take in plan_video_takes(
            folder, persons, takes=options.takes, frames=options.take_frames
        )
    ]
    for folder in options.images:
        takes += plan_portrait_takes(folder, persons, frames=options.portrait_frames)
    if not takes:
        raise InvalidRequest("there is nothing to forge: give --videos or --images with media")
    with tqdm(total=len(takes), unit="take", desc="forging") as bar:

        def advance(done: Forged) -> None:
            bar.update()
            if done.problem:
                bar.write(f"left out {done.take.id}: {done.problem}", file=sys.stderr)

        pairs = build_dataset(
            takes, options.out, seed=options.seed, workers=options.workers, on_take=advance
        )
    sys.stderr.write(f"{pairs} pairs in {options.out}\n")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> None:
    for path in make_demo_media(options.out, seconds=options.seconds):
        sys.stdout.write(f"{path}\n")


def _add_train(parser: argparse.ArgumentParser) -> None:
    defaults, vision = TrainingSettings(), VisionSettings()
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/latest"), metavar="DIR")
    parser.add_argument("--trunk", choices=get_args(Trunk), default=Architecture().trunk)
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--patience", type=int, default=defaults.patience)
    parser.add_argument("--window", type=int, default=vision.clip_length, metavar="FRAMES")
    parser.add_argument("--short-clips", choices=get_args(ShortClips), default="mask")
    parser.add_argument("--side", type=int, metavar="PIXELS", help="train on scaled-down crops")
    parser.add_argument("--fresh", type=float, default=0.0, metavar="SHARE", help="forged anew")
    parser.add_argument("--pretrain", type=int, default=0, metavar="STEPS", help="batches")
    parser.add_argument("--clip-length", type=int, default=vision.clip_length, metavar="FRAMES")
    parser.add_argument("--crop-size", type=int, default=vision.crop_size, metavar="PIXELS")
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from these weights")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--split-seed", type=int, default=0, help="keep it with --init")
    parser.add_argument("--workers", type=int, default=2, help="processes that extract faces")
    _add_description(parser)
    parser.set_defaults(run=_train)


def _add_description(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="resnet-lstm")
    parser.add_argument("--version", default="0.0.0")
    parser.add_argument("--describe-data", default="Not described.", metavar="TEXT")
    parser.add_argument("--licence", default="Not stated.", metavar="TEXT")
    parser.add_argument("--limit", action="append", default=[], metavar="TEXT")


def _description(options: argparse.Namespace) -> Description:
    return Description(
        name=options.name,
        version=options.version,
        data=options.describe_data,
        licence=options.licence,
        limits=tuple(options.limit),
    )


def _train(options: argparse.Namespace) -> None:
    pretraining = PretrainingSettings(steps=options.pretrain, seed=options.seed)
    card = run_experiment(
        Experiment(
            data=options.data,
            out=options.out,
            architecture=Architecture(trunk=options.trunk),
            vision=VisionSettings(crop_size=options.crop_size, clip_length=options.clip_length),
            window=options.window,
            short_clips=options.short_clips,
            side=options.side,
            fresh=options.fresh,
            shares=Shares(),
            split_seed=options.split_seed,
            training=TrainingSettings(
                epochs=options.epochs,
                batch_size=options.batch_size,
                learning_rate=options.learning_rate,
                patience=options.patience,
                seed=options.seed,
            ),
            initial=options.init,
            pretraining=pretraining if options.pretrain else None,
            workers=options.workers,
            description=_description(options),
        )
    )
    for row in card.evaluations:
        sys.stdout.write(f"{row.model_dump_json()}\n")


def _add_measure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--workers", type=int, default=2)
    parser.set_defaults(run=_measure)


def _measure(options: argparse.Namespace) -> None:
    scored, rows, card = measure(
        options.checkpoint, options.data, split="given", note="", workers=options.workers
    )
    for video in scored:
        probability = video.probability(card.temperature)
        sys.stdout.write(f"{probability:.4f}  {video.faces.video.id}\n")
    for row in rows:
        sys.stdout.write(f"{row.model_dump_json()}\n")


def _add_publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR")
    parser.add_argument("--also-on", type=Path, metavar="FOLDER", help="more labelled videos")
    parser.add_argument("--also-named", default="other", metavar="NAME")
    parser.add_argument("--also-note", default="", metavar="TEXT")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--describe", action="store_true", help="replace the card's words")
    _add_description(parser)
    parser.set_defaults(run=_publish)


def _publish(options: argparse.Namespace) -> None:
    further: tuple[Evaluation, ...] = ()
    if options.also_on is not None:
        _, further, _ = measure(
            options.checkpoint,
            options.also_on,
            split=options.also_named,
            note=options.also_note,
            workers=options.workers,
        )
    card = publish(
        options.checkpoint,
        options.to,
        further=further,
        description=_description(options) if options.describe else None,
    )
    sys.stdout.write(f"{card.name} {card.version} in {options.to}\n")


if __name__ == "__main__":
    sys.exit(main())
