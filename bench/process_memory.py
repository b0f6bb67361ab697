"""How much memory a command and all its children hold together."""

import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

_POLL_S = 0.01


def peak_memory_mib(command: Sequence[str]) -> float:
    """Run a command; the most memory that was held meanwhile, pages in common counted once.

    Raises:
        CalledProcessError: It failed.
    """
    peak = 0.0
    with subprocess.Popen(command) as process:  # noqa: S603 # our own script
        while process.poll() is None:
            family = _family(Path("/proc") / str(process.pid))
            peak = max(peak, sum(map(_held_mib, family)))
            time.sleep(_POLL_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak


def _family(process: Path) -> list[Path]:
    """A process and all that descend from it."""
    try:
        children = " ".join(
            (thread / "children").read_text() for thread in (process / "task").iterdir()
        )
    except OSError:  # it ended
        return []
    return [process, *(kin for child in children.split() for kin in _family(Path("/proc") / child))]


def _held_mib(process: Path) -> float:
    """Proportional set size: what is shared counts in parts."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except PermissionError:  # a job in the sandbox, which only root may look into
        return _resident_mib(process)
    except OSError:  # it ended
        return 0.0
    (kib,) = (int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


def _resident_mib(process: Path) -> float:
    """What is shared counts whole, so this is too much rather than too little."""
    try:
        pages = int((process / "statm").read_text().split()[1])
    except OSError:  # it ended
        return 0.0
    return pages * resource.getpagesize() / 1024**2
