"""What the operating system refuses: a full disk, a folder that nobody may write to."""

import errno
from typing import Final

_ADVICE: Final = {
    errno.ENOSPC: "Make room there, then give the same command again.",
    errno.EDQUOT: "Make room there, then give the same command again.",
    errno.EFBIG: "Allow larger files there (ulimit -f), then give the same command again.",
    errno.EACCES: "Choose a place that you may use, or have its rights changed.",
    errno.EPERM: "Choose a place that you may use, or have its rights changed.",
    errno.EROFS: "Choose a place that can be written to.",
    errno.ENOENT: "Compare the path with what is there.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: choose another one.",
    errno.EISDIR: "It is a folder where a file is meant: choose another path.",
    errno.EEXIST: "A file is there already: remove it, or choose another path.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: "Allow more open files (ulimit -n), then give the same command again.",
}


def advice_about(error: OSError) -> str | None:
    """What was refused and what to do about it, in two lines; None if that is not known."""
    if error.errno not in _ADVICE:
        return None
    where = error.filename or "A file"
    return f"{where}: {error.strerror}.\n{_ADVICE[error.errno]}"
