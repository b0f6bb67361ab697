"""`python -m unmask_trainer forge`: real controls and forgeries of footage."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_trainer.datasets.footage import (
    Take,
    plan_portrait_takes,
    plan_video_takes,
)
from unmask_trainer.datasets.forged import Progress, build_dataset
from unmask_trainer.datasets.known_persons import read_known_persons
from unmask_trainer.datasets.takes import ForgeSettings
from unmask_trainer.errors import InvalidInput
from unmask_trainer.forgeries.methods import DEFAULT_WEIGHTS, METHODS
from unmask_trainer.recording import Codec

_LANDMARKS_HELP = (
    "points that face swaps are warped by: 5, or dlib's 68, whose model was trained on the iBUG "
    "300-W pictures and EXCLUDES COMMERCIAL USE, so that what is trained on such forgeries may, "
    "too (default: 5)"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    add = parser.add_argument
    add(
        "--videos",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="real videos with one prominent face; may be given several times",
    )
    add(
        "--images",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="portraits, which are set into motion; may be given several times",
    )
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="receives real/, fake/ and metadata.csv; a run that was killed goes on where it was",
    )
    add(
        "--persons",
        type=Path,
        metavar="CSV",
        help="who is shown: a table with the columns file,person (default: each file another)",
    )
    add(
        "--methods",
        nargs="+",
        default=[],
        metavar="NAME[=WEIGHT]",
        dest="methods",
        help=f"which forgeries, and how often beside each other: {', '.join(METHODS)} "
        "(default: all of them)",
    )
    add(
        "--per-take",
        type=_positive,
        default=1,
        metavar="N",
        help="forgeries of each take (default: 1)",
    )
    add(
        "--takes",
        type=_positive,
        default=4,
        metavar="N",
        help="takes of each video, at most (default: 4)",
    )
    add(
        "--take-frames",
        type=_positive,
        default=48,
        metavar="N",
        help="frames of a video's take (default: 48)",
    )
    add(
        "--portrait-frames",
        type=_positive,
        default=16,
        metavar="N",
        help="frames of a portrait's take (default: 16)",
    )
    add(
        "--codecs",
        nargs="+",
        type=Codec,
        choices=list(Codec),
        default=[Codec.H264],
        metavar="CODEC",
        help=f"drawn for each take: {', '.join(Codec)} (default: h264)",
    )
    add(
        "--crf",
        nargs=2,
        type=int,
        default=(16, 30),
        metavar=("LOW", "HIGH"),
        help="rate factors to draw from, as those of x264: 17 looks lossless, 30 is visibly "
        "blocky; other codecs get what looks alike (default: 16 30)",
    )
    add("--landmarks", type=int, choices=(5, 68), default=5, help=_LANDMARKS_HELP)
    add(
        "--seed",
        type=int,
        default=0,
        help="the same seed and footage give the same videos (default: 0)",
    )
    add(
        "--workers",
        type=_positive,
        default=2,
        metavar="N",
        help="processes; the videos do not depend on it (default: 2)",
    )
    parser.set_defaults(run=_run)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _run(options: argparse.Namespace) -> None:
    low, high = options.crf
    if not 0 <= low <= high <= 51:
        raise InvalidInput(
            f"--crf takes two numbers from 0 to 51, the lower one first, not {low} {high}"
        )
    settings = ForgeSettings(
        seed=options.seed,
        methods=_weights(options.methods),
        per_take=options.per_take,
        codecs=tuple(options.codecs),
        crf=(low, high),
        landmarks=options.landmarks,
    )
    takes = _takes(options)
    steps = len(takes) * (1 + settings.per_take)
    with tqdm(total=steps, unit="video", desc="forging", disable=None) as bar:

        def advance(done: Progress) -> None:
            bar.update(done.steps)
            if done.problem:
                bar.write(f"left out {done.take.id}: {done.problem}", file=sys.stderr)

        forgeries = build_dataset(
            takes, options.out, settings, workers=options.workers, on_progress=advance
        )
    sys.stderr.write(f"{forgeries} forgeries in {options.out}\n")


def _takes(options: argparse.Namespace) -> list[Take]:
    def report(path: Path, problem: str) -> None:
        sys.stderr.write(f"left out {path}: {problem}\n")

    persons = {} if options.persons is None else read_known_persons(options.persons)
    takes = [
        take
        for folder in options.videos
        for take in plan_video_takes(
            folder,
            persons,
            takes=options.takes,
            frames=options.take_frames,
            on_problem=report,
        )
    ]
    for folder in options.images:
        takes += plan_portrait_takes(folder, persons, frames=options.portrait_frames)
    if not takes:
        raise InvalidInput("there is nothing to forge: give --videos or --images with media")
    return takes


def _weights(texts: list[str]) -> dict[str, float]:
    """From `NAME` or `NAME=WEIGHT` to weights by name."""
    weights = {}
    for text in texts:
        name, _, weight = text.partition("=")
        try:
            weights[name] = float(weight) if weight else 1.0
        except ValueError as error:
            raise InvalidInput(f"--methods {text}: {weight!r} is not a number") from error
    return weights or dict(DEFAULT_WEIGHTS)
