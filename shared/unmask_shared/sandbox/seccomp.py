"""Installing the system call filter, through the C library's `prctl`."""

import ctypes
import os
import platform
import sys
from typing import Final, Literal

from unmask_shared.sandbox.bpf import build_filter
from unmask_shared.sandbox.syscalls import ARCHITECTURES

SyscallFilter = Literal["required", "best-effort", "off"]
"""What to do about the filter.

`required`: no job runs without it. `best-effort`: where it is not available, a warning is logged
and jobs run with the other limits. `off`: jobs always run without it.
"""

_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2


class FilterUnavailable(RuntimeError):
    """This machine does not take the filter."""


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def default_filter() -> SyscallFilter:
    """`required` on Linux; other systems have nothing like it."""
    return "required" if sys.platform == "linux" else "best-effort"


def forbid_privileges() -> None:
    """Let this process never gain privileges, nor be read by others; Linux only.

    Raises:
        OSError: The kernel refused.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_DUMPABLE, 0)


def install_filter() -> None:
    """Let this process make the calls of `unmask_shared.sandbox.syscalls` and no others.

    Needs no privileges, but `forbid_privileges` first. The process should have one thread; those
    that it starts later are bound too.

    Raises:
        FilterUnavailable: The system, the architecture or the kernel's settings do not allow it.
    """
    machine = platform.machine()
    architecture = ARCHITECTURES.get(machine)
    if sys.platform != "linux" or architecture is None or sys.maxsize < 2**32:
        raise FilterUnavailable(
            f"system calls are not filtered on {sys.platform} {machine}, only on 64-bit Linux for "
            f"{' or '.join(ARCHITECTURES)}"
        )
    program = build_filter(architecture, process=os.getpid())
    code = b"".join(instruction.packed() for instruction in program)
    try:
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(program), code)))
    except OSError as error:
        raise FilterUnavailable(f"the kernel refuses the system call filter: {error}") from error


def _prctl(option: int, value: int, *pointer: object) -> None:
    # The kernel reads five words and insists that those it does not use are zero.
    words = [ctypes.c_ulong(value), *pointer, *[ctypes.c_ulong(0)] * (3 - len(pointer))]
    if ctypes.CDLL(None, use_errno=True).prctl(ctypes.c_int(option), *words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}) failed: {os.strerror(number)}")
