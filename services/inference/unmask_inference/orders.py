"""What a job hands to the compute thread, and how it waits for the answers."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.card import ModelCard
from unmask_shared.model.evidence import ClipEvidence
from unmask_shared.model.predict import Clip, ClipClassifier

_Answer = TypeVar("_Answer")
Work = Callable[[Sequence[Clip]], Iterable[Any]]


@dataclass(kw_only=True, eq=False)
class Job:
    """A video that is being judged.

    Attributes:
        classifier: Judges it.
        time_limit_s: How long all of it may take.
        deadline: When that is over, on the monotonic clock.
        waiting: How many of its clips have no answer yet.
    """

    classifier: ClipClassifier
    time_limit_s: float
    deadline: float
    waiting: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """One clip to compute.

    Attributes:
        job: Whose it is.
        work: A method of the job's classifier, from clips to as many answers.
        clip: (T, S, S, 3) uint8 RGB.
        since: When it was handed over, on the monotonic clock.
        answer: Takes what the network says of it.
    """

    job: Job
    work: Work
    clip: Clip
    since: float
    answer: "Future[Any]" = field(default_factory=Future)

    def goes_with(self, other: "Order") -> bool:
        """Whether both can be computed in one batch."""
        return self.work == other.work


class BatchedClassifier:
    """For one job, what `ClipClassifier` is, computed together with other jobs' clips."""

    def __init__(self, job: Job, submit: Callable[[Sequence[Order]], None]) -> None:
        """Stand for the classifier of a job.

        Args:
            job: Whose clips these are.
            submit: Puts orders into the queue, all of which get an answer.
        """
        self._job = job
        self._submit = submit

    @property
    def card(self) -> ModelCard:
        """The card of the checkpoint in use."""
        return self._job.classifier.card

    def logits(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """As `ClipClassifier.logits`.

        Raises:
            IncompatibleFaces: When a clip is not of the shape or type that the checkpoint reads.
            OutOfMemory: When a clip does not fit into the memory.
            ComputeInterrupted: The compute thread has ended.
            TimeoutError: The time of the job is over.
        """
        rows: list[NDArray[np.float32]] = self._answers(self._job.classifier.logits, clips)
        return np.stack(rows) if rows else np.zeros((0, 2), np.float32)

    def explain(self, clips: Sequence[Clip]) -> list[ClipEvidence]:
        """As `ClipClassifier.explain`; raises what `logits` raises."""
        return self._answers(self._job.classifier.explain, clips)

    def _answers(
        self, work: Callable[[Sequence[Clip]], Iterable[_Answer]], clips: Sequence[Clip]
    ) -> list[_Answer]:
        # Before they share a batch with other videos' clips.
        self._job.classifier.check(clips)
        now = time.monotonic()
        orders = [Order(job=self._job, work=work, clip=clip, since=now) for clip in clips]
        self._submit(orders)
        try:
            return [order.answer.result(self._left_s()) for order in orders]
        except TimeoutError:
            raise TimeoutError(
                f"The clips were not classified within {self._job.time_limit_s:g} s."
            ) from None
        finally:
            for order in orders:
                order.answer.cancel()

    def _left_s(self) -> float:
        return max(0.0, self._job.deadline - time.monotonic())
