"""The parent's side of a zygote: starting it, giving it jobs, ending it."""

import logging
import os
import socket
import subprocess
import sys
from typing import Final

from unmask_shared.errors import SandboxUnavailable
from unmask_shared.sandbox.control import (
    ControlFrame,
    JobEnd,
    JobOrder,
    Readiness,
    receive,
    send,
)
from unmask_shared.sandbox.errors import SandboxFailure
from unmask_shared.sandbox.seccomp import SyscallFilter

_log = logging.getLogger(__name__)

_START_S: Final = 120.0
# Forking and reaping take milliseconds; a machine that swaps may need longer.
_ANSWER_S: Final = 30.0
_GOODBYE_S: Final = 5.0

_KEPT_VARIABLES: Final = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"}
)
_KEPT_PREFIXES: Final = ("LC_", "PYTHON", "OMP_", "OPENCV_", "MALLOC_")


class ZygoteGone(SandboxFailure):
    """The zygote died, and with it the job that it had."""


class ZygoteProcess:
    """A running zygote; for one thread at a time.

    Attributes:
        owner: The process that started it, and the only one that may speak with it.
        filter_missing: Why its jobs run without the system call filter; empty if they do not.

    Raises:
        SandboxUnavailable: It does not start.
    """

    def __init__(self, factory: str, argument: str | None, syscall_filter: SyscallFilter) -> None:
        self.owner = os.getpid()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [
                    *(sys.executable, "-P", "-m", "unmask_shared.sandbox.zygote"),
                    *("--control-fd", str(theirs.fileno())),
                    *("--parent", str(self.owner)),
                    *("--filter", syscall_filter),
                    factory,
                    *(() if argument is None else (argument,)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_clean_environment(),
                process_group=0,  # signals from a terminal are for the parent
            )
        try:
            self.filter_missing = self._await_readiness(factory).filter_missing
        except BaseException:
            self.close()
            raise

    def _await_readiness(self, factory: str) -> Readiness:
        self._control.settimeout(_START_S)
        try:
            frame, payload, _ = receive(self._control)
        except (EOFError, OSError) as error:
            raise SandboxUnavailable(f"The zygote of {factory} did not start: {error}.") from error
        self._control.settimeout(_ANSWER_S)
        if frame is not ControlFrame.READY:
            reason = payload.decode(errors="replace")
            raise SandboxUnavailable(f"The zygote of {factory} did not start: {reason}.")
        return Readiness.from_bytes(payload)

    @property
    def alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self._process.poll() is None

    def start_job(self, order: JobOrder, *, input_fd: int, reply_fd: int) -> None:
        """Start a job; `end_job` must follow.

        Raises:
            ZygoteGone: There is no job.
            SandboxFailure: The machine has no room for another process.
        """
        try:
            send(self._control, ControlFrame.JOB, order.to_bytes(), (input_fd, reply_fd))
            frame, payload, _ = receive(self._control)
        except (EOFError, OSError) as error:
            raise ZygoteGone(f"the zygote died before the job started: {error}") from error
        if frame is not ControlFrame.STARTED:
            raise SandboxFailure(payload.decode(errors="replace"))

    def end_job(self) -> JobEnd:
        """Kill the job if it still runs, and learn how it ended.

        Raises:
            ZygoteGone: Nobody knows how; the job is gone all the same.
        """
        try:
            send(self._control, ControlFrame.END)
            _, payload, _ = receive(self._control)
        except (EOFError, OSError) as error:
            raise ZygoteGone(f"the zygote died while the job ran: {error}") from error
        return JobEnd.from_bytes(payload)

    def close(self) -> None:
        """End it, with the job that it has."""
        self._control.close()
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            _log.warning("the zygote %d does not end, and is killed", self._process.pid)
            self._process.kill()
            self._process.wait()

    def disown(self) -> None:
        """Forget it in a fork of its owner, whose child it is not."""
        self._control.close()
        # Or the interpreter warns of a child that was never waited for.
        self._process.returncode = 0


def _clean_environment() -> dict[str, str]:
    """What Python and its libraries need, without the passwords that services get this way."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    # Each further arena would take 64 MiB of the address space that jobs may use.
    kept.setdefault("MALLOC_ARENA_MAX", "2")
    # It starts its threads when NumPy is imported, and forks would not have them.
    kept["OPENBLAS_NUM_THREADS"] = "1"
    return kept
