"""The process that trains, as the worker sees it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from unmask_shared.closing import Closing
from unmask_trainer.service.documents import Phase, TrainingProgress
from unmask_trainer.service.exchange import (
    END_FILE,
    PROGRESS_FILE,
    End,
    Order,
    ProcessEnd,
    read_end_file,
    read_progress_file,
)

_MODULE: Final = "unmask_trainer.service.process"


class TrainingChild(Closing):
    """Starts the process, gives it orders, and sees to it that nothing of it is left."""

    def __init__(self, run_id: str, folder: Path) -> None:
        """Start nothing yet.

        Args:
            run_id: The run.
            folder: Of the run on this machine.
        """
        self._run_id = run_id
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in (END_FILE, PROGRESS_FILE):
            (self._folder / name).unlink(missing_ok=True)
        self._process = subprocess.Popen(  # noqa: S603 - our own module, and an id
            [sys.executable, "-m", _MODULE, self._run_id],
            stdin=subprocess.PIPE,
            # Bars are for terminals; what is worth knowing is in the progress.
            env=os.environ | {"TQDM_DISABLE": "1"},
            # With its helpers, it can be ended as a group.
            start_new_session=True,
        )
        return self

    def close(self) -> None:
        """Kill what is left of it."""
        self.kill()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; whether that came."""
        try:
            self._running.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def order(self, order: Order) -> None:
        """Tell it something; nothing happens when it has ended."""
        stream = self._running.stdin
        if stream is None:
            return
        try:
            stream.write(f"{order}\n".encode())
            stream.flush()
        except BrokenPipeError:
            return

    def stop(self, order: Order, *, patience_s: float) -> None:
        """Make it end, by force if it does not in so many seconds; but let it publish."""
        self.order(order)
        while not self.wait(patience_s):
            progress = self.progress()
            # It looks for orders after it has told that it publishes: this order came later.
            if progress is None or progress.phase is not Phase.PUBLISHING:
                self.kill()

    def kill(self) -> None:
        """End it and its helpers at once; what they have written is whole."""
        process = self._running
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nobody of the group is left
        finally:
            process.wait()

    def progress(self) -> TrainingProgress | None:
        """How far it is, as far as it has told."""
        return read_progress_file(self._folder)

    def end(self) -> ProcessEnd:
        """How it ended."""
        told = read_end_file(self._folder)
        if told is not None:
            return told
        code = self._running.returncode
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ProcessEnd(end=End.CRASHED, problem=f"the process that trains was {how}")

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the process was not started")
        return self._process
