"""`python -m unmask_trainer stats`: what a folder of videos is made of."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_trainer.errors import InvalidInput
from unmask_trainer.statistics.figure import FIGURE_FILE, draw_figure
from unmask_trainer.statistics.inspection import Inspection
from unmask_trainer.statistics.report import report
from unmask_trainer.statistics.selection import FrameRange
from unmask_trainer.statistics.summary import derive_statistics
from unmask_trainer.statistics.survey import find_videos, survey_videos
from unmask_trainer.statistics.tables import write_tables


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="searched with all below it")
    parser.add_argument("--out", type=Path, default=Path("runs/statistics"), metavar="DIR")
    parser.add_argument("--min-frames", type=int, default=1, metavar="N", help="drop shorter ones")
    parser.add_argument("--max-frames", type=int, metavar="N", help="drop longer ones")
    parser.add_argument("--stop-at", type=int, metavar="N", help="count no further in any video")
    parser.add_argument("--decode", action="store_true", help="decode all frames: slow, thorough")
    parser.add_argument("--sha256", action="store_true", help="find duplicates by their bytes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="per video")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    wanted = FrameRange(shortest=options.min_frames, longest=options.max_frames)
    wanted.check_stop(options.stop_at)
    if options.workers < 1 or options.timeout <= 0:
        raise InvalidInput(
            f"{options.workers} workers with {options.timeout:g} s for a video can read nothing"
        )
    files = find_videos(options.folder)
    inspection = Inspection(decode=options.decode, digest=options.sha256, stop_at=options.stop_at)
    # Without a terminal there is nobody to watch a bar move.
    with tqdm(total=len(files), unit="video", desc="reading", disable=None) as bar:
        videos = survey_videos(
            files,
            inspection,
            workers=options.workers,
            timeout_s=options.timeout,
            on_video=lambda _: bar.update(),
        )
    statistics = derive_statistics(videos, wanted)
    write_tables(statistics, options.out)
    draw_figure(statistics, options.out / FIGURE_FILE)
    sys.stdout.write(report(statistics))
    if not statistics.total.readable:
        raise InvalidInput(f"none of the {len(files)} files in {options.folder} can be read")
