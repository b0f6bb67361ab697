"""`python -m unmask_trainer demo-media`: the clips of the demonstration."""

import argparse
import sys
from pathlib import Path

from unmask_trainer.demo_media import make_demo_media


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    for path in make_demo_media(options.out, seconds=options.seconds):
        sys.stdout.write(f"{path}\n")
