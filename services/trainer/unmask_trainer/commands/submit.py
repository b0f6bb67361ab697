"""`python -m unmask_trainer submit`: gives an experiment to the workers that train."""

import argparse
import sys
from pathlib import Path

from unmask_shared.broker import make_celery
from unmask_shared.job_store import make_job_store
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_trainer.errors import InvalidInput
from unmask_trainer.service.submissions import Submissions


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Queues a training run for `worker`s and prints its id. The data sets have to be uploaded "
        "before; the checkpoint is published in the registry."
    )
    parser.add_argument(
        "experiment", metavar="EXPERIMENT.toml", help="what to train and how; - for standard input"
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="NAME",
        help="an uploaded data set; can be given several times",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replaces what the file says, as stages.0.epochs=3; can be given several times",
    )
    parser.add_argument("--version", help="to publish under, instead of that in the experiment")
    parser.add_argument("--activate", action="store_true", help="let the workers judge with it")
    parser.set_defaults(run=_run)


def make_submissions() -> Submissions:
    """Build what gives runs to the workers that the environment names."""
    settings, store = JobSettings(), make_object_store(StoreSettings())
    store.check()
    return Submissions(
        store=store,
        jobs=make_job_store(settings),
        celery=make_celery(settings),
        lease_ttl_s=settings.lease_ttl_s,
    )


def _run(options: argparse.Namespace) -> None:
    text = sys.stdin.read() if options.experiment == "-" else _read(Path(options.experiment))
    record = make_submissions().submit(
        text,
        options.data,
        changes=options.set,
        version=options.version,
        activate=options.activate,
    )
    sys.stdout.write(f"{record.id}\n")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
