"""The system call filter, run by an interpreter of its machine for both architectures."""

import errno
import fcntl
import mmap
import signal
import struct

import pytest

from unmask_shared.sandbox.bpf import Instruction, build_filter
from unmask_shared.sandbox.syscalls import AARCH64, X86_64, Architecture

PROCESS = 4321
ALLOWED, DENIED, KILLED = 0x7FFF_0000, 0x0005_0000 | errno.EPERM, 0x8000_0000
NOT_THERE = 0x0005_0000 | errno.ENOSYS
THREAD = 0x3D0F00

both = pytest.mark.parametrize("machine", [X86_64, AARCH64], ids=["x86_64", "aarch64"])


def run(program: tuple[Instruction, ...], call: bytes) -> int:
    accumulator, at = 0, 0
    while True:
        step = program[at]
        at += 1
        if step.code == 0x20:
            (accumulator,) = struct.unpack_from("=I", call, step.value)
        elif step.code == 0x54:
            accumulator &= step.value
        elif step.code == 0x15:
            at += step.if_true if accumulator == step.value else step.if_false
        elif step.code == 0x35:
            at += step.if_true if accumulator >= step.value else step.if_false
        else:
            assert step.code == 0x06
            return step.value


def decide(machine: Architecture, number: int, *arguments: int, audit: int | None = None) -> int:
    padded = [*arguments, *[0] * (6 - len(arguments))]
    call = struct.pack("=IIQ6Q", number, audit or machine.audit, 0, *padded)
    return run(build_filter(machine, process=PROCESS), call)


@both
def test_plain_calls_are_allowed_and_all_others_fail(machine: Architecture) -> None:
    special = {
        getattr(machine, name)
        for name in ("mmap", "mprotect", "clone", "clone3", "tgkill", "fcntl", "prctl")
    } | {machine.prlimit64, machine.newfstatat}
    for number in set(range(1000)) - special:
        expected = ALLOWED if number in machine.plain else DENIED
        assert decide(machine, number, 1, 2, 3) == expected, number


@both
def test_calls_of_other_architectures_end_the_process(machine: Architecture) -> None:
    assert decide(machine, 0, audit=0x4000_0003) == KILLED
    assert decide(machine, 0x4000_0000 | machine.plain[0]) == KILLED


@both
def test_threads_are_allowed_and_processes_are_not(machine: Architecture) -> None:
    assert decide(machine, machine.clone, THREAD) == ALLOWED
    assert decide(machine, machine.clone, THREAD | 0x0040_0000) == ALLOWED
    assert decide(machine, machine.clone, signal.SIGCHLD) == DENIED
    assert decide(machine, machine.clone, THREAD | 0x4000_0000) == DENIED  # a network of its own
    assert decide(machine, machine.clone, THREAD | 1 << 32) == DENIED
    assert decide(machine, machine.clone3, 0) == NOT_THERE


@both
def test_signals_reach_only_the_process_itself(machine: Architecture) -> None:
    assert decide(machine, machine.tgkill, PROCESS, PROCESS, signal.SIGABRT) == ALLOWED
    assert decide(machine, machine.tgkill, PROCESS + 1, PROCESS + 1, signal.SIGKILL) == DENIED


@both
def test_memory_cannot_become_executable(machine: Architecture) -> None:
    for call in (machine.mmap, machine.mprotect):
        assert decide(machine, call, 0, 4096, mmap.PROT_READ | mmap.PROT_WRITE) == ALLOWED
        assert decide(machine, call, 0, 4096, mmap.PROT_READ | mmap.PROT_EXEC) == DENIED


@both
def test_files_can_be_duplicated_but_send_no_signals(machine: Architecture) -> None:
    assert decide(machine, machine.fcntl, 3, fcntl.F_DUPFD_CLOEXEC) == ALLOWED
    assert decide(machine, machine.fcntl, 3, fcntl.F_DUPFD) == ALLOWED
    for command in (fcntl.F_SETOWN, fcntl.F_SETSIG, fcntl.F_SETFL):
        assert decide(machine, machine.fcntl, 3, command) == DENIED


@both
def test_limits_can_be_read_but_not_set(machine: Architecture) -> None:
    assert decide(machine, machine.prlimit64, 0, 0, 0, 0x7FFF_0000_0000) == ALLOWED
    assert decide(machine, machine.prlimit64, 0, 0, 0x7FFF_0000_0000) == DENIED
    assert decide(machine, machine.prlimit64, 0, 0, 0x1000) == DENIED


@both
def test_only_open_files_can_be_looked_at(machine: Architecture) -> None:
    assert decide(machine, machine.newfstatat, 3, 0x1000, 0x2000, 0x1000) == ALLOWED
    assert decide(machine, machine.newfstatat, 3, 0x1000, 0x2000, 0) == DENIED


@both
def test_the_program_fits_the_kernel(machine: Architecture) -> None:
    program = build_filter(machine, process=PROCESS)
    assert len(program) <= 4096
    assert all(len(step.packed()) == 8 for step in program)
