"""Keeps two runs from working in one folder at the same time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from unmask_trainer.datasets.errors import InvalidDataset

_FILE: Final = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it when the process ends, however it ends.

    Raises:
        InvalidDataset: Another run holds it.
    """
    with (folder / _FILE).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidDataset(f"another run is at work in {folder}; wait for its end") from error
        yield
