"""`python -m unmask_trainer`: makes training data, trains, evaluates, publishes."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from unmask_shared.errors import UnmaskError
from unmask_trainer.refusals import advice_about

# What each command does, and the module that declares its options by `add_options`. Only that of
# the command that is called is imported: PyTorch takes seconds, and counting videos needs none.
_COMMANDS: Final = {
    "forge": ("make real controls and forgeries of footage", "commands.forge"),
    "prepare": ("check and divide a data set and extract its faces", "preparation.command"),
    "persons": ("find out who is who in a folder of videos or pictures", "persons.command"),
    "stats": ("count and measure a folder of videos", "statistics.command"),
    "demo-media": ("make the clips of the demonstration", "commands.demo"),
    "train": ("train a checkpoint on real/ and fake/ videos", "commands.train"),
    "evaluate": ("measure a checkpoint on labelled videos", "commands.evaluate"),
    "export": ("copy a run's checkpoint to a folder, with complete words", "commands.export"),
    "publish": ("put a checkpoint into the registry of the services", "commands.publish"),
    "upload": ("put a data set into the object store of the services", "commands.upload"),
    "submit": ("give an experiment to the workers that train", "commands.submit"),
    "runs": ("list, show, watch or cancel what was submitted", "commands.runs"),
    "worker": ("train what is submitted", "commands.worker"),
    "models": ("list, show, activate published models, or roll back", "commands.models"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Returns:
        0; 2 after an error that the user can do something about; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(arguments[0] if arguments else "").parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except UnmaskError as error:
        sys.stderr.write(f"{error.title}: {error.detail}\n{error.action}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(
            "Interrupted. Given again, forge, prepare, train and upload go on where they were.\n"
        )
        return 130
    except BrokenPipeError:
        # Whoever read the output wants no more of it. Python would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        advice = advice_about(error)
        if advice is None:
            raise
        sys.stderr.write(f"{advice}\n")
        return 2
    return 0


def _parser(called: str) -> argparse.ArgumentParser:
    """The parser, with the options of the command that is called only."""
    parser = argparse.ArgumentParser(prog="python -m unmask_trainer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (purpose, module) in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        if name == called:
            importlib.import_module(f"unmask_trainer.{module}").add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
