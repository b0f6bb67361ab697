"""How much memory this process and all its children hold together."""

import resource
import threading
from collections.abc import Callable
from pathlib import Path

_POLL_S = 0.01


def peak_memory_mib(run: Callable[[], object]) -> float:
    """Run something; the most memory that was held meanwhile, pages in common counted once."""
    peak, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(_POLL_S):
            peak = max(peak, sum(map(_held_mib, _family(Path("/proc/self").resolve()))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run()
    finally:
        done.set()
        watcher.join()
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
