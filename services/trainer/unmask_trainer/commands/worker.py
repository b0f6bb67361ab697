"""`python -m unmask_trainer worker`: trains what is submitted."""

import argparse

from unmask_trainer.service.worker import main


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare that the command has no options: it reads the environment, as all services do."""
    parser.description = (
        "Works on the queue of training runs, one at a time, until SIGTERM; the run at hand is "
        "saved and given back. Settings: UNMASK_TRAINER_*, UNMASK_REDIS_URL and the object store's."
    )
    parser.set_defaults(run=lambda _: main())
