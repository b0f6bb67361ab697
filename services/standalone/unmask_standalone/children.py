"""Child processes that are started again when they die, and never outlive their parent."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from unmask_shared.processes import die_with_parent

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 10.0
# A child that ran for so long was healthy, so its next restart is quick again.
_HEALTHY_AFTER_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run.

    Attributes:
        name: How logs call it.
        command: Program and arguments.
        environment: The whole environment of the process.
        stdin: Text that it reads from standard input, for secrets that must not be arguments.
        orphan_signal: What it is sent when this process dies; SIGTERM for what must save its data.
        folder: Working directory.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stdin: str | None = None
    orphan_signal: int = signal.SIGKILL
    folder: Path = field(default_factory=Path.cwd)


class Child:
    """One program, kept running. Use it from the main thread: see `die_with_parent`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: subprocess.Popen[str] | None = None
        self._started_at = 0.0
        self._restart_at = 0.0
        self._pause_s = 0.5

    @property
    def name(self) -> str:
        """How logs call it."""
        return self._program.name

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the program."""
        program = self._program
        self._process = subprocess.Popen(  # noqa: S603 - our own programs, no user input
            program.command,
            env=dict(program.environment),
            cwd=program.folder,
            stdin=subprocess.DEVNULL if program.stdin is None else subprocess.PIPE,
            text=True,
            # Ctrl-C in a terminal goes to the whole process group; a session of its own leaves
            # it to us to stop the parts in order.
            start_new_session=True,
            preexec_fn=partial(die_with_parent, program.orphan_signal),  # noqa: PLW1509 - no threads yet
        )
        self._started_at = time.monotonic()
        if program.stdin is not None and self._process.stdin is not None:
            self._process.stdin.write(program.stdin)
            self._process.stdin.close()

    def keep_alive(self) -> None:
        """Start the program again if it has died, after a pause that grows with each death."""
        now = time.monotonic()
        if self._process is None or self._process.poll() is None:
            return
        if not self._restart_at:
            if now - self._started_at > _HEALTHY_AFTER_S:
                self._pause_s = 0.5
            self._restart_at = now + self._pause_s
            log.error(
                "%s ended (%s), starting it again in %.1f s",
                self.name,
                _how(self._process.returncode),
                self._pause_s,
            )
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        elif now >= self._restart_at:
            self._restart_at = 0.0
            self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, grace_s: float) -> None:
        """Wait until the program has ended, and kill it when it takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %.0f s and is killed", self.name, grace_s)
            self._process.kill()
            self._process.wait()


def _how(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"
