"""What a command of the trainer leaves when it is ended in the middle."""

import os
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil


def helpers_of(run: Popen[Any]) -> list[psutil.Process]:
    """Processes of the command's group that are still at work."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == run.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def extracted(out: Path) -> dict[Path, int]:
    """The videos whose faces are extracted, each with the time when that was done."""
    return {path: path.stat().st_mtime_ns for path in (out / ".faces").glob("*.json")}
