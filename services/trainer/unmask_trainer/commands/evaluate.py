"""`python -m unmask_trainer evaluate`: a checkpoint on labelled videos."""

import argparse
import sys
from pathlib import Path

from unmask_trainer.publish import measure


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--workers", type=int, default=2)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    scored, rows, card = measure(
        options.checkpoint, options.data, split="given", note="", workers=options.workers
    )
    for video in scored:
        probability = video.probability(card.temperature)
        sys.stdout.write(f"{probability:.4f}  {video.faces.video.id}\n")
    for row in rows:
        sys.stdout.write(f"{row.model_dump_json()}\n")
