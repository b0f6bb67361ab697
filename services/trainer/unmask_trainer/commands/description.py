"""What a card says of its checkpoint in words, as options of several commands."""

import argparse

from unmask_shared.model.card_texts import (
    ETHICAL_CONSIDERATIONS,
    EVALUATION_DATA,
    INTENDED_USE,
    OUT_OF_SCOPE_USES,
)
from unmask_trainer.description import Description


def add_description(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say it."""
    parser.add_argument("--name", default="resnet-lstm")
    parser.add_argument("--version", default="0.0.0")
    parser.add_argument("--describe-data", default="Not described.", metavar="TEXT")
    parser.add_argument("--licence", default="Not stated.", metavar="TEXT")
    parser.add_argument("--limit", action="append", default=[], metavar="TEXT", help="repeatable")
    parser.add_argument("--intended-use", default=INTENDED_USE, metavar="TEXT")
    parser.add_argument("--out-of-scope", action="append", metavar="TEXT", help="repeatable")
    parser.add_argument("--evaluation-data", default=EVALUATION_DATA, metavar="TEXT")
    parser.add_argument("--ethics", action="append", metavar="TEXT", help="repeatable")


def description_of(options: argparse.Namespace) -> Description:
    """What they said."""
    return Description(
        name=options.name,
        version=options.version,
        data=options.describe_data,
        licence=options.licence,
        limits=tuple(options.limit),
        intended_use=options.intended_use,
        out_of_scope_uses=tuple(options.out_of_scope or OUT_OF_SCOPE_USES),
        evaluation_data=options.evaluation_data,
        ethical_considerations=tuple(options.ethics or ETHICAL_CONSIDERATIONS),
    )
