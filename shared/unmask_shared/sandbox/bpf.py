"""Writing a system call filter as a program for the kernel's classic BPF machine.

Source: Linux, `Documentation/userspace-api/seccomp_filter.rst`; `filter.h` and `seccomp.h` of its
userspace headers.
"""

import errno
import fcntl
import mmap
import struct
from dataclasses import dataclass
from typing import Final

from unmask_shared.sandbox.syscalls import Architecture

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_KILL_PROCESS: Final = 0x8000_0000
_FAIL_WITH: Final = 0x0005_0000
_ALLOW: Final = 0x7FFF_0000

# Where `struct seccomp_data` has the call's number, the architecture, and the arguments.
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16

_X32_CALLS_FROM: Final = 0x4000_0000
_ALL_BITS: Final = 0xFFFF_FFFF
_AT_EMPTY_PATH: Final = 0x1000
_PR_SET_NAME: Final = 15
_HARMLESS_FCNTLS: Final = (
    fcntl.F_DUPFD,
    fcntl.F_DUPFD_CLOEXEC,
    fcntl.F_GETFD,
    fcntl.F_SETFD,
    fcntl.F_GETFL,
)
# What pthread_create of glibc asks for; musl adds CLONE_DETACHED, which means nothing any more.
_THREAD: Final = 0x003D_0F00
_CLONE_DETACHED: Final = 0x0040_0000


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`struct sock_filter`."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        """The 8 bytes that the kernel takes."""
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


@dataclass(frozen=True, kw_only=True)
class _Condition:
    """What an argument must be for a call to be allowed.

    Attributes:
        argument: Which one, from 0.
        values: What it may be, in its lower 32 bits.
        mask: Which of these bits count.
        wide: Whether the argument has 64 bits; the upper 32 must then be zero.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = _ALL_BITS
    wide: bool = False

    def instructions(self) -> list[Instruction]:
        """Fall through if the condition holds; otherwise make the call fail."""
        # Both architectures are little-endian, so the low half comes first.
        low_at = _ARGUMENTS_AT + 8 * self.argument
        program = _require(low_at, self.mask, self.values)
        if self.wide:
            program += _require(low_at + 4, _ALL_BITS, (0,))
        return program


def build_filter(architecture: Architecture, *, process: int) -> tuple[Instruction, ...]:
    """The program that decides about every system call of a job.

    Calls that are not allowed fail with EPERM, so that code gets an error that it can report.
    Calls of another architecture have other numbers, so they end the process.

    Args:
        architecture: Of this machine.
        process: Id of the process; its threads may signal themselves and each other.
    """
    program = [
        Instruction(code=_LOAD, value=_ARCHITECTURE_AT),
        Instruction(code=_JUMP_IF_EQUAL, value=architecture.audit, if_true=1),
        Instruction(code=_RETURN, value=_KILL_PROCESS),
        Instruction(code=_LOAD, value=_NUMBER_AT),
        # The x32 calls of x86-64 pass for the same architecture.
        Instruction(code=_JUMP_IF_AT_LEAST, value=_X32_CALLS_FROM, if_false=1),
        Instruction(code=_RETURN, value=_KILL_PROCESS),
    ]
    for number in architecture.plain:
        program += _decide(number, [_return(_ALLOW)])
    for number, condition in _conditions(architecture, process):
        program += _decide(number, [*condition.instructions(), _return(_ALLOW)])
    # Its flags lie in memory, out of reach. The C library falls back to clone on ENOSYS.
    program += _decide(architecture.clone3, [_return(_FAIL_WITH | errno.ENOSYS)])
    program.append(_return(_FAIL_WITH | errno.EPERM))
    return tuple(program)


def _conditions(architecture: Architecture, process: int) -> list[tuple[int, _Condition]]:
    not_executable = _Condition(argument=2, values=(0,), mask=mmap.PROT_EXEC)
    return [
        (architecture.mmap, not_executable),
        (architecture.mprotect, not_executable),
        (
            architecture.clone,
            _Condition(argument=0, values=(_THREAD,), mask=_ALL_BITS & ~_CLONE_DETACHED, wide=True),
        ),
        (architecture.tgkill, _Condition(argument=0, values=(process,))),
        # F_SETOWN, F_SETSIG and O_ASYNC together would send signals to other processes.
        (architecture.fcntl, _Condition(argument=1, values=_HARMLESS_FCNTLS)),
        (architecture.prctl, _Condition(argument=0, values=(_PR_SET_NAME,))),
        # Reading limits: there is no pointer to new ones.
        (architecture.prlimit64, _Condition(argument=2, values=(0,), wide=True)),
        # fstat of glibc before 2.39. The path cannot be checked, so a file's size may be learned.
        (architecture.newfstatat, _Condition(argument=3, values=(_AT_EMPTY_PATH,))),
    ]


def _decide(number: int, then: list[Instruction]) -> list[Instruction]:
    """Run `then`, which must return, if the loaded call has this number."""
    return [Instruction(code=_JUMP_IF_EQUAL, value=number, if_false=len(then)), *then]


def _require(offset: int, mask: int, values: tuple[int, ...]) -> list[Instruction]:
    return [
        Instruction(code=_LOAD, value=offset),
        Instruction(code=_AND, value=mask),
        *(
            Instruction(code=_JUMP_IF_EQUAL, value=value, if_true=len(values) - position)
            for position, value in enumerate(values)
        ),
        _return(_FAIL_WITH | errno.EPERM),
    ]


def _return(action: int) -> Instruction:
    return Instruction(code=_RETURN, value=action)
