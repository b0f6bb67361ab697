"""What a card says of its checkpoint in words, as options of several commands."""

import argparse

from unmask_trainer.experiment import Description


def add_description(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say it."""
    parser.add_argument("--name", default="resnet-lstm")
    parser.add_argument("--version", default="0.0.0")
    parser.add_argument("--describe-data", default="Not described.", metavar="TEXT")
    parser.add_argument("--licence", default="Not stated.", metavar="TEXT")
    parser.add_argument("--limit", action="append", default=[], metavar="TEXT")


def description_of(options: argparse.Namespace) -> Description:
    """What they said."""
    return Description(
        name=options.name,
        version=options.version,
        data=options.describe_data,
        licence=options.licence,
        limits=tuple(options.limit),
    )
