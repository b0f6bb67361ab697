"""Where a download goes: a file appears only when it is whole."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from unmask_client.errors import InvalidArgument


@contextmanager
def destination(to: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """Hand out a file to write to; what a path names is replaced at the end, if all went well.

    Raises:
        InvalidArgument: The path cannot be written to.
    """
    if not isinstance(to, str | os.PathLike):
        yield to
        return
    path = Path(to)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        file = unfinished.open("xb")
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
