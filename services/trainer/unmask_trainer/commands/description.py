"""What a card says of its checkpoint in words, as options of several commands."""

import argparse

from unmask_trainer.description import Description


def add_description(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say it."""
    usual = Description()
    parser.add_argument("--name", default=usual.name)
    parser.add_argument("--version", default=usual.version)
    parser.add_argument("--describe-data", default=usual.data, metavar="TEXT")
    parser.add_argument("--licence", default=usual.licence, metavar="TEXT")
    parser.add_argument("--limit", action="append", default=[], metavar="TEXT", help="repeatable")
    parser.add_argument("--intended-use", default=usual.intended_use, metavar="TEXT")
    parser.add_argument("--out-of-scope", action="append", metavar="TEXT", help="repeatable")
    parser.add_argument("--evaluation-data", default=usual.evaluation_data, metavar="TEXT")
    parser.add_argument("--ethics", action="append", metavar="TEXT", help="repeatable")


def description_of(options: argparse.Namespace) -> Description:
    """What they said."""
    usual = Description()
    return Description(
        name=options.name,
        version=options.version,
        data=options.describe_data,
        licence=options.licence,
        limits=tuple(options.limit),
        intended_use=options.intended_use,
        out_of_scope_uses=tuple(options.out_of_scope or usual.out_of_scope_uses),
        evaluation_data=options.evaluation_data,
        ethical_considerations=tuple(options.ethics or usual.ethical_considerations),
    )
