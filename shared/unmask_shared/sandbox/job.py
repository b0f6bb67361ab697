"""The life of a job: in a fork of the zygote, from the first limit to the last byte."""

import enum
import fcntl
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from unmask_shared.errors import NotAVideo, UnreadableVideo
from unmask_shared.processes import die_with_parent
from unmask_shared.sandbox.control import JobOrder
from unmask_shared.sandbox.limits import enforce_limits
from unmask_shared.sandbox.reply import Reply, Serve
from unmask_shared.sandbox.seccomp import forbid_privileges, install_filter

_INPUT_FD: Final = 3
_REPLY_FD: Final = 4
_FIRST_UNUSED_FD: Final = 5
_OUT_OF_THE_WAY: Final = 10


class JobExit(enum.IntEnum):
    """Exit codes of a job; each is written without needing memory."""

    DONE = 0
    REFUSED = 10
    OUT_OF_MEMORY = 11
    FAILED = 12


def become_job(
    serve: Serve, order: JobOrder, *, input_fd: int, reply_fd: int, filtered: bool
) -> NoReturn:
    """Turn this fork of the zygote into a confined process, do the job, and exit.

    Args:
        serve: Does the job.
        order: What the parent asked for.
        input_fd: The file to read.
        reply_fd: The pipe to answer on.
        filtered: Whether system calls are filtered.
    """
    code = JobExit.FAILED
    try:
        die_with_parent()
        _keep_only(input_fd, reply_fd)
        code = _answer(serve, order, Reply(_REPLY_FD), filtered=filtered)
    finally:
        # Nothing that the zygote would do at its end may run here.
        os._exit(code)


def _answer(serve: Serve, order: JobOrder, reply: Reply, *, filtered: bool) -> JobExit:
    try:
        _offer_to_be_killed()
        forbid_privileges()
        enforce_limits(memory_bytes=order.memory_bytes, cpu_s=order.cpu_s)
        if filtered:
            install_filter()
        with open(_INPUT_FD, "rb", buffering=0, closefd=False) as file:
            serve(file, order.request, reply)
    except (UnreadableVideo, NotAVideo) as error:
        reply.error(error.code, error.detail)
        return JobExit.REFUSED
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent shall hear of it
        return JobExit.OUT_OF_MEMORY if _lacked_memory(error) else _report(reply)
    return JobExit.DONE


def _lacked_memory(error: BaseException | None) -> bool:
    """Whether an error follows from a MemoryError: C extensions say SystemError then."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _report(reply: Reply) -> JobExit:
    try:
        reply.traceback(traceback.format_exc())
    except MemoryError:
        return JobExit.OUT_OF_MEMORY
    return JobExit.FAILED


def _keep_only(input_fd: int, reply_fd: int) -> None:
    """Close every file but these two; what is printed goes nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    # Either of the two may sit on the other's place.
    source, sink = (fcntl.fcntl(fd, fcntl.F_DUPFD, _OUT_OF_THE_WAY) for fd in (input_fd, reply_fd))
    for standard in range(3):
        os.dup2(null, standard)
    os.dup2(source, _INPUT_FD)
    os.dup2(sink, _REPLY_FD)
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - a Path would be opened and closed as well
        if int(name) >= _FIRST_UNUSED_FD:
            # The listing names its own file, which is closed by now.
            with suppress(OSError):
                os.close(int(name))


def _offer_to_be_killed() -> None:
    """When memory runs out, the kernel should take the job and not the worker."""
    if sys.platform == "linux":
        # Not every container has this file, and nothing depends on it.
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
