"""Job functions for the tests of the sandbox: each does one thing that a decoder may do."""

import ctypes
import fcntl
import json
import math
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from unmask_shared.errors import NoVideoStream
from unmask_shared.sandbox import Reply, Serve

INPUT_FD, REPLY_FD = 3, 4


def make() -> Serve:
    return serve


def make_nothing() -> Serve:
    raise LookupError("the model is not there")


def make_with_a_thread() -> Serve:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return serve


def make_on_an_unknown_machine() -> Serve:
    platform.machine = lambda: "pdp11"
    return serve


def serve(file: BinaryIO, request: bytes, reply: Reply) -> None:
    """Do what the request names, with its argument."""
    name, _, argument = request.decode().partition(" ")
    JOBS[name](file, reply, argument)


def echo(file: BinaryIO, reply: Reply, argument: str) -> None:
    reply.progress(0.0)
    reply.progress(0.5)
    reply.result(file.read())
    reply.result(argument.encode())
    reply.progress(1.0)


def describe(file: BinaryIO, reply: Reply, argument: str) -> None:
    reply.result(
        json.dumps(
            {
                "pid": os.getpid(),
                "position": file.tell(),
                "environment": dict(os.environ),
                "open_files": [fd for fd in range(64) if _is_open(fd)],
                "core": resource.getrlimit(resource.RLIMIT_CORE),
            }
        ).encode()
    )


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def attempt(file: BinaryIO, reply: Reply, argument: str) -> None:
    """Try something forbidden, and answer with the name of the error."""
    try:
        ATTEMPTS[argument]()
    except (OSError, ValueError) as error:  # the module `resource` says ValueError
        reply.result(type(error).__name__.encode())
    else:
        reply.result(b"nothing happened")


def _signal_through_pipe() -> None:
    fcntl.fcntl(REPLY_FD, fcntl.F_SETOWN, os.getppid())


def _make_executable() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)


def _clone_process() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(56 if os.uname().machine == "x86_64" else 220, signal.SIGCHLD, 0, 0, 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


ATTEMPTS: dict[str, Callable[[], Any]] = {
    "open a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "list a folder": lambda: list(Path("/").iterdir()),
    "look at a file": lambda: Path("/etc/passwd").stat(),
    "create a file": lambda: Path("unmask-sandbox").write_text("x"),
    "unlink": lambda: Path("unmask-sandbox").unlink(),
    "rename": lambda: Path("unmask-sandbox").rename("unmask"),
    "write to the input": lambda: os.write(INPUT_FD, b"x"),
    "make a socket": socket.socket,
    "make a socket pair": socket.socketpair,
    "run a program": lambda: subprocess.run(["/bin/true"], check=True),
    "replace itself": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - it is refused
    "fork": os.fork,
    "clone": _clone_process,
    "kill its parent": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "kill everything": lambda: os.kill(-1, signal.SIGKILL),
    "signal through a pipe": _signal_through_pipe,
    "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CPU, (5000, 5000)),
    "make memory executable": _make_executable,
    "make a file in memory": lambda: os.memfd_create("x"),
    "change its root": lambda: os.chroot("/"),
    "change its user": lambda: os.setuid(12345),
    "change its folder": lambda: os.chdir("/"),
}


def allocate(file: BinaryIO, reply: Reply, argument: str) -> None:
    kept = []
    while True:
        kept.append(bytearray(16 * 1024 * 1024))


def allocate_and_hide(file: BinaryIO, reply: Reply, argument: str) -> None:
    try:
        allocate(file, reply, argument)
    except MemoryError as error:
        raise SystemError("a call returned a result with an exception set") from error


def spin(file: BinaryIO, reply: Reply, argument: str) -> None:
    if argument == "stubbornly":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
    while True:
        pass


def sleep(file: BinaryIO, reply: Reply, argument: str) -> None:
    reply.progress(0.25)
    time.sleep(60)


def close_and_sleep(file: BinaryIO, reply: Reply, argument: str) -> None:
    os.close(REPLY_FD)
    time.sleep(60)


def stop(file: BinaryIO, reply: Reply, argument: str) -> None:
    signal.raise_signal(signal.SIGSTOP)


def flood(file: BinaryIO, reply: Reply, argument: str) -> None:
    while True:
        if argument == "progress":
            reply.progress(0.5)
        else:
            reply.result(bytes(65536))


def send_bytes(file: BinaryIO, reply: Reply, argument: str) -> None:
    os.write(REPLY_FD, bytes.fromhex(argument))


def crash(file: BinaryIO, reply: Reply, argument: str) -> None:
    if argument == "abort":
        os.abort()
    if argument == "exit":
        os._exit(77)
    ctypes.string_at(0)


def complain(file: BinaryIO, reply: Reply, argument: str) -> None:
    raise NoVideoStream(f"all\x1b[31m of it\nis {argument}")


def fail(file: BinaryIO, reply: Reply, argument: str) -> None:
    raise ZeroDivisionError(f"{argument}\n2026-01-01 ERROR forged entry \x1b[2J")


def use_threads(file: BinaryIO, reply: Reply, argument: str) -> None:
    threads = [threading.Thread(target=reply.result, args=(b"x",)) for _ in range(4)]
    for thread in threads:
        thread.start()
        thread.join()


def print_something(file: BinaryIO, reply: Reply, argument: str) -> None:
    print("from the job", flush=True)
    print("from the job", file=sys.stderr, flush=True)
    os.write(2, b"from the job")


def frame(kind: bytes, payload: bytes) -> str:
    """A frame as the argument of `send_bytes`."""
    return (kind + struct.pack("!I", len(payload)) + payload).hex()


def progress_frame(fraction: float = math.nan) -> str:
    return frame(b"p", struct.pack("!d", fraction))


JOBS: dict[str, Callable[[BinaryIO, Reply, str], None]] = {
    job.__name__: job
    for job in (
        echo, describe, attempt, allocate, allocate_and_hide, spin, sleep, close_and_sleep, stop,
        flood, send_bytes, crash, complain, fail, use_threads, print_something,
    )
}  # fmt: skip
