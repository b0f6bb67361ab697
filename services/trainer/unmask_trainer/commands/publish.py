"""`python -m unmask_trainer publish`: a checkpoint into the registry."""

import argparse
import sys
from pathlib import Path

from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import StoreSettings
from unmask_trainer.commands.models import describe_store
from unmask_trainer.registry import activate_version, publish_checkpoint


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Tries a checkpoint and puts it into the object store that UNMASK_OBJECT_STORE and the "
        "settings beside it name: those of the running services."
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT_DIR")
    parser.add_argument("--version", help="instead of that on the card")
    parser.add_argument(
        "--evaluation",
        type=Path,
        metavar="DIR",
        help="what evaluate --out wrote: its figures go on the card, its pictures of faces too",
    )
    parser.add_argument("--activate", action="store_true", help="let the workers judge with it")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    settings = StoreSettings()
    store = make_object_store(settings)
    store.check()
    registry = ModelRegistry(store)
    published = publish_checkpoint(
        registry, options.checkpoint, version=options.version, evaluation=options.evaluation
    )
    sys.stdout.write(
        f"{published.name} {published.version} is published in {describe_store(settings)}\n"
    )
    if options.activate:
        active = activate_version(registry, published.name, published.version)
        sys.stdout.write(f"{active} is active\n")
