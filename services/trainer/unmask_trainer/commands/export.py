"""`python -m unmask_trainer export`: a checkpoint with complete words, to a folder."""

import argparse
import sys
from pathlib import Path

from unmask_shared.model.card import Evaluation
from unmask_shared.model.checkpoint import load_card
from unmask_trainer.as_served import measure
from unmask_trainer.commands.description import add_description, description_of
from unmask_trainer.evaluation.for_cards import CardAdditions, read_additions
from unmask_trainer.export import export_checkpoint


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR")
    parser.add_argument("--also-on", type=Path, metavar="FOLDER", help="more labelled videos")
    parser.add_argument("--also-named", default="other", metavar="NAME")
    parser.add_argument("--also-note", default="", metavar="TEXT")
    parser.add_argument(
        "--evaluation",
        type=Path,
        metavar="DIR",
        help="what evaluate --out wrote: its figures go on the card, its pictures of faces too",
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--describe", action="store_true", help="replace the card's words")
    add_description(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    further: tuple[Evaluation, ...] = ()
    if options.also_on is not None:
        _, further, _ = measure(
            options.checkpoint,
            options.also_on,
            split=options.also_named,
            note=options.also_note,
            workers=options.workers,
        )
    added = CardAdditions()
    if options.evaluation is not None:
        added = read_additions(options.evaluation, load_card(options.checkpoint))
    card = export_checkpoint(
        options.checkpoint,
        options.to,
        further=further + added.rows,
        figures=added.figures,
        description=description_of(options) if options.describe else None,
    )
    sys.stdout.write(f"{card.name} {card.version} in {options.to}\n")
