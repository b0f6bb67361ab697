"""`python -m unmask_trainer upload`: a data set into the object store of the services."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.object_store import make_object_store
from unmask_shared.settings import StoreSettings
from unmask_trainer.service.stored_data import StoredData, data_files


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Copies a data set into the object store that UNMASK_OBJECT_STORE and the settings beside "
        "it name, for runs that `submit` gives to the workers. Called again after an interruption, "
        "it sends what is missing."
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="prepared, or with real/ and fake/"
    )
    parser.add_argument("--name", required=True, help="what runs will call it; it never changes")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    store = make_object_store(StoreSettings())
    store.check()
    with tqdm(total=len(list(data_files(options.folder))), unit="file", desc=options.name) as bar:
        stored = StoredData(store).upload(options.folder, options.name, advance=bar.update)
    size = sum(file.bytes for file in stored.files.values())
    sys.stdout.write(f"{options.name}: {len(stored.files)} files, {size / 1e6:.1f} MB\n")
