"""`python -m unmask_trainer forge`: real controls and forgeries of footage."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.errors import InvalidRequest
from unmask_trainer.datasets.footage import plan_portrait_takes, plan_video_takes, read_persons
from unmask_trainer.datasets.forged import Forged, build_dataset


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--videos", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--images", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--persons", type=Path, metavar="CSV", help="columns file,person")
    parser.add_argument("--takes", type=int, default=4, help="takes of each video at most")
    parser.add_argument("--take-frames", type=int, default=48, help="frames of a video's take")
    parser.add_argument("--portrait-frames", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
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
