"""Child processes that Ctrl-C does not reach: whoever started them ends them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import ClassVar, Final


class _ShieldedProcess(SpawnProcess):
    """A child in which SIGINT is blocked from its first instruction on.

    A terminal sends it to all processes of a command; a child that is still importing would write
    a page of traceback before anything here could catch it.
    """

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _ShieldedContext(SpawnContext):
    Process: ClassVar[type[SpawnProcess]] = _ShieldedProcess


SHIELDED: Final = _ShieldedContext()
"""As `multiprocessing.get_context("spawn")`, with children that Ctrl-C does not reach."""


@contextmanager
def children_end_with_it() -> Iterator[None]:
    """End shielded children as soon as Ctrl-C comes: what they work on may take minutes.

    It may come while a generator that uses this is not running: then it is closed instead.
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit):
        for child in active_children():
            if isinstance(child, _ShieldedProcess):
                child.terminate()
        raise
