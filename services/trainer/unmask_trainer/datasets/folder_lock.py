"""Keeps two runs from working in one folder at the same time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from unmask_shared.errors import UnmaskError

_FILE: Final = ".lock"


class FolderInUse(UnmaskError):
    """Another run works in the folder."""

    title = "The folder is in use"
    action = "Wait until the other run has ended, or give another folder."


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it when the process ends, however it ends.

    Raises:
        FolderInUse: Another run holds it.
    """
    with (folder / _FILE).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(f"another run is at work in {folder}") from error
        yield
