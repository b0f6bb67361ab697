"""`python -m unmask_trainer evaluate`: a checkpoint on labelled videos, with a report."""

import argparse
import shlex
import sys
from pathlib import Path

from pydantic import ValidationError

from unmask_trainer.evaluation.assessment import EvaluationPlan, assess
from unmask_trainer.evaluation.card_rows import card_row
from unmask_trainer.evaluation.document import Level, Resampling
from unmask_trainer.evaluation.errors import InvalidEvaluation
from unmask_trainer.evaluation.outputs import write_outputs

_DEGRADED_VIDEOS = 40
_PRINTED: tuple[Level, ...] = ("clip", "video")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("folder", type=Path, nargs="?", metavar="CHECKPOINT")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="the same, as an option")
    parser.add_argument(
        "--data", type=Path, action="append", required=True, metavar="FOLDER", help="repeatable"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write metrics.json, report.html")
    parser.add_argument(
        "--split",
        action="append",
        default=[],
        metavar="NAME",
        help="measure only this part, by the metadata; else all but train and val",
    )
    parser.add_argument(
        "--by", action="append", default=[], metavar="COLUMN", help="compare groups of videos"
    )
    parser.add_argument(
        "--metadata", type=Path, action="append", default=[], metavar="CSV", help="more columns"
    )
    parser.add_argument(
        "--robustness",
        type=int,
        nargs="?",
        const=_DEGRADED_VIDEOS,
        default=0,
        metavar="VIDEOS",
        help=f"degrade so many videos and judge them again ({_DEGRADED_VIDEOS} if not said)",
    )
    parser.add_argument("--worst", type=int, default=12, metavar="N", help="mistakes to show")
    parser.add_argument(
        "--heatmaps",
        type=int,
        default=2,
        metavar="N",
        help="show what the network goes by, of N videos of each kind: right and wrong, of both "
        "classes (%(default)s; 0 for none)",
    )
    parser.add_argument(
        "--heatmaps-of",
        action="append",
        default=[],
        metavar="DATASET",
        help="show only people of this data set there; for checkpoints that are published",
    )
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="for intervals")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    checkpoint = _one_checkpoint(options)
    for name in ("robustness", "worst", "heatmaps"):
        if getattr(options, name) < 0:
            raise InvalidEvaluation(f"--{name} {getattr(options, name)}: give a number from 0")
    found = assess(
        EvaluationPlan(
            checkpoint=checkpoint,
            data=tuple(options.data),
            splits=tuple(options.split),
            metadata=tuple(options.metadata),
            by=tuple(options.by),
            robustness=options.robustness,
            worst=options.worst,
            # Without a report nobody would see them.
            heatmaps=options.heatmaps if options.out is not None else 0,
            heatmaps_of=tuple(options.heatmaps_of),
            resampling=_resampling(options),
            workers=options.workers,
            command=_command(checkpoint, options),
        )
    )
    card = found.card
    for video in found.videos:
        probability = video.probability(card.temperature)
        sys.stdout.write(f"{probability:.4f}  {video.faces.video.id}\n")
    everything = {part.level: part.summary for part in found.document.slices if part.kind == "all"}
    for level in _PRINTED:
        row = card_row(everything[level], split="given", level=level)
        sys.stdout.write(f"{row.model_dump_json()}\n")
    if options.out is not None:
        report = write_outputs(found, options.out, checkpoint=checkpoint)
        sys.stdout.write(f"{report}\n")


def _one_checkpoint(options: argparse.Namespace) -> Path:
    given = [path for path in (options.folder, options.checkpoint) if path is not None]
    if len(given) != 1:
        raise InvalidEvaluation("give the folder of one checkpoint, e.g. evaluate models/default")
    return Path(given[0])


def _resampling(options: argparse.Namespace) -> Resampling:
    try:
        return Resampling(resamples=options.resamples, seed=options.seed)
    except ValidationError as error:
        raise InvalidEvaluation(
            f"--resamples {options.resamples} is too few for a 95 % interval: give at least 100"
        ) from error


def _command(checkpoint: Path, options: argparse.Namespace) -> str:
    """The command line that does the same again, options of speed left out."""
    words = ["python", "-m", "unmask_trainer", "evaluate", str(checkpoint)]
    for option in ("data", "split", "by", "metadata"):
        for value in getattr(options, option):
            words += [f"--{option}", str(value)]
    if options.robustness:
        words += ["--robustness", str(options.robustness)]
    words += ["--worst", str(options.worst), "--heatmaps", str(options.heatmaps)]
    for name in options.heatmaps_of:
        words += ["--heatmaps-of", name]
    words += ["--resamples", str(options.resamples)]
    words += ["--seed", str(options.seed)]
    if options.out is not None:
        words += ["--out", str(options.out)]
    return shlex.join(words)
