"""The process that jobs are forked from: `python -m unmask_shared.sandbox.zygote`.

It loads once what all jobs need, has one thread, never touches an input, and knows no secrets: its
parent starts it with a clean environment. It ends when its parent does.
"""

import argparse
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from unmask_shared.sandbox.control import (
    ControlFrame,
    JobEnd,
    JobOrder,
    Readiness,
    receive,
    send,
)
from unmask_shared.sandbox.job import become_job
from unmask_shared.sandbox.reply import Serve
from unmask_shared.sandbox.seccomp import FilterUnavailable, forbid_privileges, install_filter

_OK: Final = 0
_REFUSED: Final = 1
_KIB: Final = 1024


def main() -> None:
    """Load a job function, then start a job whenever the parent asks."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("factory", help="MODULE:NAME of the function that makes the job function")
    options.add_argument("argument", nargs="?", help="what that function is called with")
    options.add_argument("--control-fd", type=int, required=True)
    options.add_argument("--parent", type=int, required=True)
    options.add_argument("--filter", choices=["required", "best-effort", "off"], required=True)
    arguments = options.parse_args()
    # Ctrl-C is for the parent, which may want to finish the job at hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent_is_gone = (EOFError, ConnectionError)
    with socket.socket(fileno=arguments.control_fd) as control, suppress(*parent_is_gone):
        try:
            serve = _load(arguments.factory, arguments.argument)
            missing = "" if arguments.filter == "off" else _missing_filter()
            if missing and arguments.filter == "required":
                raise FilterUnavailable(missing)  # noqa: TRY301 - told like all that fails here
        except Exception as error:
            send(control, ControlFrame.FAILED, f"{type(error).__name__}: {error}".encode())
            raise
        send(control, ControlFrame.READY, Readiness(filter_missing=missing).to_bytes())
        filtered = arguments.filter != "off" and not missing
        _Zygote(serve, control, arguments.parent, filtered=filtered).run()


class _Zygote:
    def __init__(
        self, serve: Serve, control: socket.socket, parent: int, *, filtered: bool
    ) -> None:
        self._serve = serve
        self._control = control
        self._filtered = filtered
        self._waiting = select.poll()
        self._waiting.register(control, select.POLLIN)
        # Forks of the parent may hold its end of the socket open for longer than it lives.
        self._parent = _pidfd(parent)
        if self._parent is not None:
            self._waiting.register(self._parent, select.POLLIN)

    def run(self) -> None:
        """Start jobs.

        Raises:
            EOFError: The parent is gone.
        """
        while True:
            payload, (input_fd, reply_fd) = self._expect(ControlFrame.JOB, fds=2)
            order = JobOrder.from_bytes(payload)
            try:
                job = os.fork()
            except OSError as error:
                send(self._control, ControlFrame.FAILED, f"cannot fork: {error}".encode())
                continue
            finally_close = (input_fd, reply_fd)
            if job == 0:
                become_job(
                    self._serve,
                    order,
                    input_fd=input_fd,
                    reply_fd=reply_fd,
                    filtered=self._filtered,
                )
            for fd in finally_close:
                os.close(fd)
            self._see_through(job)

    def _see_through(self, job: int) -> None:
        try:
            send(self._control, ControlFrame.STARTED)
            self._expect(ControlFrame.END)
        finally:
            # Nobody else reaps, so this can hit no other process. One that has ended by itself
            # keeps the status of its own.
            os.kill(job, signal.SIGKILL)
            _, status, usage = os.wait4(job, 0)
        end = JobEnd(
            exit_code=os.waitstatus_to_exitcode(status),
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_rss_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else _KIB),
        )
        send(self._control, ControlFrame.ENDED, end.to_bytes())

    def _expect(self, frame: ControlFrame, *, fds: int = 0) -> tuple[bytes, tuple[int, ...]]:
        if any(fd == self._parent for fd, _ in self._waiting.poll()):
            raise EOFError("the parent is gone")
        received, payload, files = receive(self._control, max_fds=fds)
        if received is not frame:
            raise EOFError(f"{received.name} came instead of {frame.name}")
        return payload, files


def _load(factory: str, argument: str | None) -> Serve:
    module, _, name = factory.partition(":")
    make: Callable[..., Serve] = getattr(importlib.import_module(module), name)
    serve = make() if argument is None else make(argument)
    threads = _count_threads()
    if threads > 1:
        raise RuntimeError(
            f"{factory} left {threads - 1} threads running, which forks do not have and would wait "
            "for: it must not compute in parallel yet"
        )
    # What lives now is never collected, and so never copied by a collector that marks it.
    gc.collect()
    gc.freeze()
    return serve


def _count_threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 1


def _missing_filter() -> str:
    """Try the filter in a fork; the reason if it does not work, else nothing."""
    reader, writer = os.pipe()
    probe = os.fork()
    if probe == 0:
        _probe_filter(writer)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:  # noqa: PTH123 - a pipe has no path
        reason = answer.read()
    _, status = os.waitpid(probe, 0)
    if os.waitstatus_to_exitcode(status) == _OK:
        return ""
    return reason or f"a process with the system call filter ended with status {status}"


def _probe_filter(writer: int) -> NoReturn:
    reason = "opening a file is possible in spite of the system call filter"
    try:
        forbid_privileges()
        install_filter()
        os.close(os.open("/", os.O_RDONLY))
    except PermissionError:
        os._exit(_OK)
    except (FilterUnavailable, OSError) as error:
        reason = str(error)
    finally:
        os.write(writer, reason.encode())
        os._exit(_REFUSED)


def _pidfd(process: int) -> int | None:
    """A file that becomes readable when a process ends; None where there is no such thing."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None


if __name__ == "__main__":
    main()
