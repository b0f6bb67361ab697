"""`python -m unmask_trainer prepare`: from a data set on disk to one that can be trained on."""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.model.card import LABELS
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.layouts.recognition import LAYOUTS
from unmask_trainer.datasets.prepared import Status
from unmask_trainer.datasets.protocols import Protocol
from unmask_trainer.datasets.splits import Shares
from unmask_trainer.errors import InvalidInput
from unmask_trainer.preparation.outputs import split_report
from unmask_trainer.preparation.run import PreparationSettings, prepare
from unmask_trainer.statistics.report import report
from unmask_trainer.statistics.selection import FrameRange


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    vision = VisionSettings()
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="to be trained on")
    parser.add_argument("--layout", choices=[*LAYOUTS], help="the one that fits, if not given")
    parser.add_argument("--label", choices=[*LABELS], help="of all files, if nothing says it")
    parser.add_argument("--persons", type=Path, metavar="CSV", help="who is in which file")
    parser.add_argument(
        "--split", choices=[*Protocol], type=Protocol, default=Protocol.IDENTITY, help="protocol"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--val-share", type=float, metavar="SHARE", help="of people, or videos")
    parser.add_argument("--test-share", type=float, metavar="SHARE", help="of people, or videos")
    parser.add_argument("--min-frames", type=int, default=1, metavar="N", help="drop shorter ones")
    parser.add_argument("--max-frames", type=int, metavar="N", help="drop longer ones")
    parser.add_argument("--crop-size", type=int, default=vision.crop_size, metavar="PIXELS")
    parser.add_argument(
        "--crop-margin",
        type=float,
        default=vision.crop_margin,
        metavar="SHARE",
        help="context on each side of the face, as a share of it, from 0 to 1 (%(default)s)",
    )
    parser.add_argument("--clip-length", type=int, default=vision.clip_length, metavar="FRAMES")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="per video")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.workers < 1 or options.timeout <= 0:
        raise InvalidInput(
            f"{options.workers} workers with {options.timeout:g} s for a video can read nothing"
        )
    try:
        settings = PreparationSettings(
            root=options.root,
            out=options.out,
            layout=options.layout,
            label=options.label,
            persons=options.persons,
            protocol=options.split,
            seed=options.seed,
            shares=_shares(options),
            wanted=FrameRange(shortest=options.min_frames, longest=options.max_frames),
            vision=VisionSettings(
                crop_size=options.crop_size,
                crop_margin=options.crop_margin,
                clip_length=options.clip_length,
            ),
            workers=options.workers,
            timeout_s=options.timeout,
        )
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    with ExitStack() as bars:

        def show(stage: str, videos: int) -> Callable[[], None]:
            # Without a terminal there is nobody to watch a bar move.
            bar = bars.enter_context(tqdm(total=videos, unit="video", desc=stage, disable=None))
            return partial(bar.update, 1)

        prepared = prepare(settings, show)
    sys.stdout.write(report(prepared.statistics) + "\n")
    sys.stdout.write(
        split_report(prepared.assignment, prepared.leakage, prepared.videos, prepared.notes)
    )
    if not any(video.status is Status.OK for video in prepared.videos):
        raise InvalidInput(f"none of the {len(prepared.videos)} videos can be used")


def _shares(options: argparse.Namespace) -> Shares | None:
    if options.val_share is None and options.test_share is None:
        return None
    defaults = options.split.default_shares
    return Shares(
        val=defaults.val if options.val_share is None else options.val_share,
        test=defaults.test if options.test_share is None else options.test_share,
    )
