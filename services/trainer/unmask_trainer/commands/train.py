"""`python -m unmask_trainer train`: a checkpoint from real and forged videos."""

import argparse
import sys
from pathlib import Path

from lightning_fabric.utilities.rank_zero import rank_zero_only

from unmask_trainer.configuration import read_experiment
from unmask_trainer.experiment import run_experiment
from unmask_trainer.watching import TerminalWatcher


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Trains a checkpoint as an experiment's file says, calibrates it on the validation people "
        "and measures it on the test people. Called again with the same arguments, a run that was "
        "ended in the middle goes on."
    )
    parser.add_argument(
        "experiment",
        type=Path,
        nargs="?",
        metavar="EXPERIMENT.toml",
        help="what to train and how; defaults without it",
    )
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="FOLDER",
        help="a prepared data set, or a folder with real/ and fake/; can be given several times",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/latest"),
        metavar="DIR",
        help="folder of the run (%(default)s)",
    )
    parser.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        metavar="RUN",
        help="a run on the same data that began with the same stages, which are taken over as far "
        "as it has finished them",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replaces what the file says, as stages.0.epochs=3; can be given several times",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="processes that extract faces of folders that were not prepared (%(default)s)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    settings = read_experiment(options.experiment, options.set)
    # Of the processes of a distributed run, the first one speaks for all.
    with TerminalWatcher(shown=getattr(rank_zero_only, "rank", 0) == 0) as watcher:
        card = run_experiment(
            settings,
            options.data,
            options.out,
            workers=options.workers,
            watcher=watcher,
            earlier=options.earlier,
        )
    for row in card.evaluations if card else ():
        sys.stdout.write(f"{row.model_dump_json()}\n")
