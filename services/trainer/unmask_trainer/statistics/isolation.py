"""Runs a function on many arguments in child processes that may crash or hang.

A decoder that is given a damaged file can take its process down, or never return. Each child here
works on one argument at a time, so that the guilty one is known; the child is then replaced, and
the others go on.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Final, Generic, TypeVar

from unmask_shared.processes import die_with_parent
from unmask_trainer.interrupts import SHIELDED

Argument = TypeVar("Argument")
Result = TypeVar("Result")

# How long a child that closed its end may take to be gone, so that its exit status can be told.
_LAST_WORDS_S: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Lost:
    """There is no result: the child ended, or was ended, before it had one.

    Attributes:
        timed_out: Whether it was ended for taking too long.
        exit_status: As `multiprocessing` gives it: negative for a signal.
    """

    timed_out: bool
    exit_status: int

    @property
    def cause(self) -> str:
        """How the child ended, e.g. `SIGSEGV`."""
        if self.exit_status < 0:
            return signal.Signals(-self.exit_status).name
        return f"exit status {self.exit_status}"


def run_isolated(
    function: Callable[[Argument], Result],
    arguments: Sequence[Argument],
    *,
    workers: int,
    timeout_s: float,
) -> Iterator[tuple[int, Result | Lost]]:
    """Call a function on every argument.

    Args:
        function: Importable by the children; what it takes and returns is pickled. An exception
            that it raises ends its child like a crash does, with a traceback on stderr.
        arguments: What to call it on.
        workers: Children at once.
        timeout_s: Wall time for one argument, and for the start of a child where it needs one.

    Yields:
        Position of the argument and its result, in the order in which they are ready.

    Raises:
        ValueError: There is no worker.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers cannot do anything")
    waiting = deque(enumerate(arguments))
    idle: list[_Child[Argument, Result]] = []
    busy: dict[Connection, _Child[Argument, Result]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                child = idle.pop() if idle else _Child(function)
                child.give(*waiting.popleft(), timeout_s=timeout_s)
                busy[child.connection] = child
            nearest = min(child.deadline for child in busy.values())
            answered = wait(list(busy), timeout=max(0.0, nearest - time.monotonic()))
            for child in [child for child in busy.values() if child.connection in answered]:
                del busy[child.connection]
                result = child.take()
                if not isinstance(result, Lost):
                    idle.append(child)
                yield child.position, result
            for child in [*busy.values()]:
                if child.deadline <= time.monotonic():
                    del busy[child.connection]
                    yield child.position, child.end(timed_out=True)
    finally:
        for child in (*idle, *busy.values()):
            child.end()


class _Child(Generic[Argument, Result]):
    """A process that answers one argument after the other.

    Attributes:
        connection: Readable when there is an answer, or none will come.
        position: Of the argument that it works on.
        deadline: When the answer has to be there, by the monotonic clock.
    """

    def __init__(self, function: Callable[[Argument], Result]) -> None:
        self.connection, theirs = SHIELDED.Pipe()
        self._process = SHIELDED.Process(target=_serve, args=(theirs, function), daemon=True)
        self._process.start()
        theirs.close()
        self.position = -1
        self.deadline = 0.0

    def give(self, position: int, argument: Argument, *, timeout_s: float) -> None:
        self.position = position
        self.deadline = time.monotonic() + timeout_s
        self.connection.send(argument)

    def take(self) -> Result | Lost:
        try:
            result: Result = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(_LAST_WORDS_S)
            return self.end()
        return result

    def end(self, *, timed_out: bool = False) -> Lost:
        self._process.kill()
        self._process.join()
        self.connection.close()
        return Lost(timed_out=timed_out, exit_status=self._process.exitcode or 0)


def _serve(connection: Connection, function: Callable[[Argument], Result]) -> None:
    die_with_parent()
    while True:
        try:
            argument: Argument = connection.recv()
        except EOFError:
            return
        connection.send(function(argument))
