"""Blocking work beside the event loop that may hang without stopping the process from ending."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

Outcome = TypeVar("Outcome")


def run_in_thread(work: Callable[[], Outcome], *, name: str) -> asyncio.Future[Outcome]:
    """Run blocking work in a daemon thread of its own.

    Unlike a pool, a call that never returns takes no place away from others and does not hold up
    the end of the process. Cancelling the future leaves the thread running.

    Args:
        work: What to run; its result or exception goes to the future.
        name: Name of the thread, for whoever debugs the process.
    """
    outcome: Future[Outcome] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits the future
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    # What is told of the work belongs to whoever asked for it.
    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name=name, daemon=True).start()
    return asyncio.wrap_future(outcome)
