"""Working on one item while the next one is being made."""

import threading
from collections.abc import Callable, Generator, Iterable
from queue import Empty, Queue
from typing import Final, TypeVar

T = TypeVar("T")

_TICK_S: Final = 0.1
_END: Final = object()


def prefetch(items: Iterable[T], on_wait: Callable[[], None]) -> Generator[T]:
    """Make the items in a thread, one ahead of whoever takes them.

    It pays where making them leaves the interpreter alone, as decoding does. Closing the generator
    ends the thread.

    Args:
        items: Only used in the thread.
        on_wait: Called ten times a second while the next item is not ready.

    Yields:
        The items, in order.

    Raises:
        BaseException: What making an item raised.
    """
    made: Queue[object] = Queue()
    may_make = threading.Semaphore(1)
    stopped = threading.Event()

    def work() -> None:
        remaining = iter(items)
        try:
            item: object = None
            while item is not _END:
                may_make.acquire()
                if stopped.is_set():
                    return
                item = next(remaining, _END)
                made.put(item)
        except BaseException as error:  # noqa: BLE001 # raised again where the item is waited for
            made.put(_Failure(error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := _received(made, on_wait)) is not _END:
            may_make.release()
            yield item  # type: ignore[misc] # nothing else but items is left
            del item  # may be large, and the next one is being made
    finally:
        stopped.set()
        may_make.release()
        thread.join()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _received(made: "Queue[object]", on_wait: Callable[[], None]) -> object:
    while True:
        try:
            item = made.get(timeout=_TICK_S)
        except Empty:
            on_wait()
            continue
        if isinstance(item, _Failure):
            raise item.error
        return item
