"""Clips of several videos in one forward pass, computed by one thread.

Jobs run in threads of their own: while one of them fetches crops, draws or stores, the compute
thread works on the clips of the others.

When a batch leaves: as soon as it is full, or as soon as every open job of the same checkpoint has
its clips in the queue or has ended, so that nobody else's clips are on their way; at the latest
when its oldest clip has waited `max_wait_s`. A job that is alone never waits.
"""

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import InvalidStateError
from contextlib import contextmanager

import torch

from unmask_inference.orders import BatchedClassifier, Job, Order
from unmask_shared.closing import Closing
from unmask_shared.errors import ComputeInterrupted, OutOfMemory
from unmask_shared.model.predict import ClipClassifier

log = logging.getLogger(__name__)

# What PyTorch's and ONNX Runtime's allocators say on a CPU, where they have no type for it.
_OUT_OF_MEMORY = ("can't allocate memory", "bad allocation", "Failed to allocate memory")


class MicroBatcher(Closing):
    """Takes clips from jobs, and gives back what the network says of each."""

    def __init__(self, *, max_clips: int, max_wait_s: float) -> None:
        """Prepare; the compute thread starts with the first clip.

        Args:
            max_clips: Clips of a full batch.
            max_wait_s: How long a clip waits for clips of other jobs that are on their way.
        """
        self._max_clips = max_clips
        self._max_wait_s = max_wait_s
        self._changed = threading.Condition()
        self._queue: list[Order] = []
        self._jobs: list[Job] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        # What was learnt the hard way, by checkpoint.
        self._fitting: weakref.WeakKeyDictionary[ClipClassifier, int] = weakref.WeakKeyDictionary()

    @contextmanager
    def job(
        self, classifier: ClipClassifier, *, time_limit_s: float
    ) -> Iterator[BatchedClassifier]:
        """Announce clips that will come, for as long as the body runs.

        Args:
            classifier: What they are for.
            time_limit_s: From now on; celery's time limits do not hold in threads.

        Yields:
            What takes the clips. It raises `TimeoutError` when the time is over.
        """
        deadline = time.monotonic() + time_limit_s
        job = Job(classifier=classifier, time_limit_s=time_limit_s, deadline=deadline)
        with self._changed:
            self._jobs.append(job)
        try:
            yield BatchedClassifier(job, self._submit)
        finally:
            with self._changed:
                self._jobs.remove(job)
                self._changed.notify_all()

    def close(self) -> None:
        """Compute what is in the queue, take no more, and end the thread."""
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _submit(self, orders: Sequence[Order]) -> None:
        with self._changed:
            if self._closed:
                raise ComputeInterrupted("The worker is stopping.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._compute, name="compute", daemon=True)
                self._thread.start()
            for order in orders:
                order.job.waiting += 1
            self._queue += orders
            self._changed.notify_all()

    def _compute(self) -> None:
        batch: list[Order] = []
        try:
            while batch := self._next_batch():
                self._settle([o for o in batch if o.answer.set_running_or_notify_cancel()])
                self._count_off(batch)
        except BaseException:
            log.critical("the compute thread ended; the next clip starts another", exc_info=True)
        finally:
            self._leave(batch)

    def _next_batch(self) -> list[Order]:
        """Wait for a batch that may leave; it is empty when there will be no more."""
        with self._changed:
            while not (batch := self._ready()):
                if self._closed and not self._queue:
                    return []
                self._changed.wait(self._patience())
            self._queue = [order for order in self._queue if order not in batch]
            return batch

    def _ready(self) -> list[Order]:
        if not self._queue:
            return []
        first = self._queue[0]
        most = self._fitting.get(first.job.classifier, self._max_clips)
        batch = [order for order in self._queue if order.goes_with(first)][:most]
        others = any(
            job.classifier is first.job.classifier and not job.waiting for job in self._jobs
        )
        if len(batch) < most and others and not self._closed and self._patience_of(first) > 0:
            return []
        return batch

    def _patience(self) -> float | None:
        return self._patience_of(self._queue[0]) if self._queue else None

    def _patience_of(self, order: Order) -> float:
        return max(0.0, order.since + self._max_wait_s - time.monotonic())

    def _settle(self, batch: Sequence[Order]) -> None:
        """Answer all orders; what one of them breaks is looked for by halves."""
        if not batch:
            return
        failure: Exception
        try:
            answers = batch[0].work([order.clip for order in batch])
        except Exception as error:  # noqa: BLE001 # whose fault it is gets it
            # Without its traceback, which would keep the tensors of the batch alive.
            failure = error.with_traceback(None)
        else:
            for order, answer in zip(batch, answers, strict=True):
                order.answer.set_result(answer)
            return
        no_room = _is_want_of_memory(failure)
        if len(batch) == 1:
            batch[0].answer.set_exception(_said_clearly(failure, batch[0]) if no_room else failure)
            return
        half = len(batch) // 2
        if no_room:
            self._expect_less(batch[0].job.classifier, half)
        self._settle(batch[:half])
        self._settle(batch[half:])

    def _expect_less(self, classifier: ClipClassifier, clips: int) -> None:
        card = classifier.card
        log.warning(
            "the memory holds batches of %d clips of %s %s from now on",
            clips,
            card.name,
            card.version,
        )
        self._fitting[classifier] = clips
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _count_off(self, batch: Sequence[Order]) -> None:
        with self._changed:
            for order in batch:
                order.job.waiting -= 1

    def _leave(self, batch: Sequence[Order]) -> None:
        """Let nobody wait for a thread that is gone."""
        with self._changed:
            self._thread = None
            left = [*batch, *self._queue]
            self._queue = []
            for order in left:
                order.job.waiting -= 1
        for order in left:
            # Answered before the end came, or given up by its job.
            with contextlib.suppress(InvalidStateError):
                order.answer.set_exception(ComputeInterrupted("The compute thread ended."))


def _is_want_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        sign in str(error) for sign in _OUT_OF_MEMORY
    )


def _said_clearly(error: Exception, order: Order) -> OutOfMemory:
    card = order.job.classifier.card
    return OutOfMemory(
        f"A clip of {len(order.clip)} frames does not fit beside {card.name} {card.version}: "
        f"{(str(error).splitlines() or [type(error).__name__])[0]}"
    )
