"""Files that are there whole or not at all, also after a kill."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# With less room than this, a file that could not be written found none.
_NO_ROOM_BYTES: Final = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, beside the right one, and move the file there when it is whole.

    Args:
        path: Where the file belongs; one that is there stays until then.

    Raises:
        OSError: The disk is full, among other things.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        with full_disk_is_told(partial):
            yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def full_disk_is_told(path: Path) -> Iterator[None]:
    """Raise what the operating system would: NumPy and PyTorch do not say that a disk is full.

    Args:
        path: Is written meanwhile.

    Raises:
        OSError: With `errno.ENOSPC` and the path, where writing failed for want of room.
    """
    try:
        yield
    except Exception as error:
        if not path.exists() or shutil.disk_usage(path.parent).free > _NO_ROOM_BYTES:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent)) from error
