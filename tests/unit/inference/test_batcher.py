"""Micro-batching: who shares a batch, when it leaves, and whom an error reaches."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unmask_inference.batcher import MicroBatcher
from unmask_shared.errors import ComputeInterrupted, IncompatibleFaces, OutOfMemory
from unmask_shared.model.checkpoint import Checkpoint, load_checkpoint
from unmask_shared.model.predict import Clip, ClipClassifier

MODEL_DIR = Path(__file__).parents[3] / "models" / "default"
LONG_S = 60.0
CHECKPOINT = load_checkpoint(MODEL_DIR)
SIDE = CHECKPOINT.card.input_size


class Watched(ClipClassifier):
    """The real classifier; keeps the sizes of its batches, and does first what a test says."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self.batches: list[int] = []
        self.before: Callable[[Sequence[Clip]], None] = lambda clips: None

    def logits(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        self.batches.append(len(clips))
        self.before(clips)
        return super().logits(clips)


@pytest.fixture
def classifier() -> Watched:
    return Watched(CHECKPOINT)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def make_clips(number: int, *, frames: int = 2, seed: int = 0) -> list[Clip]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (frames, SIDE, SIDE, 3), np.uint8) for _ in range(number)]


def batcher(*, max_clips: int = 4, max_wait_s: float = LONG_S) -> MicroBatcher:
    return MicroBatcher(max_clips=max_clips, max_wait_s=max_wait_s)


def test_a_job_that_is_alone_does_not_wait_for_others(classifier: Watched) -> None:
    with batcher() as batches, batches.job(classifier, time_limit_s=LONG_S / 2) as judge:
        assert judge.logits(make_clips(1)).shape == (1, 2)
        assert judge.logits([]).shape == (0, 2)


def test_clips_of_jobs_at_the_same_time_share_a_batch(
    classifier: Watched, threads: ThreadPoolExecutor
) -> None:
    one, two = make_clips(1), make_clips(2, seed=1)
    with (
        batcher() as batches,
        batches.job(classifier, time_limit_s=LONG_S) as first,
        batches.job(classifier, time_limit_s=LONG_S) as second,
    ):
        answer = threads.submit(first.logits, one)
        other = second.logits(two)
        assert classifier.batches == [3]
        np.testing.assert_array_equal(answer.result(), classifier.logits(one))
        np.testing.assert_array_equal(other, classifier.logits(two))


def test_a_batch_leaves_when_the_job_it_waited_for_ends(
    classifier: Watched, threads: ThreadPoolExecutor
) -> None:
    with batcher() as batches, batches.job(classifier, time_limit_s=LONG_S / 2) as judge:
        with batches.job(classifier, time_limit_s=LONG_S):
            answer = threads.submit(judge.logits, make_clips(1))
            time.sleep(0.2)
            assert not answer.done()
        assert answer.result().shape == (1, 2)


def test_a_batch_leaves_when_it_waited_long_enough(classifier: Watched) -> None:
    with (
        batcher(max_wait_s=0.05) as batches,
        batches.job(classifier, time_limit_s=LONG_S),
        batches.job(classifier, time_limit_s=LONG_S) as judge,
    ):
        assert judge.logits(make_clips(1)).shape == (1, 2)


def test_a_full_batch_leaves_and_no_batch_is_larger(classifier: Watched) -> None:
    with (
        batcher(max_clips=2, max_wait_s=0.05) as batches,
        batches.job(classifier, time_limit_s=LONG_S),
        batches.job(classifier, time_limit_s=LONG_S) as judge,
    ):
        judge.logits(make_clips(5))
    assert classifier.batches == [2, 2, 1]


def test_checkpoints_never_share_a_batch(classifier: Watched, threads: ThreadPoolExecutor) -> None:
    other = Watched(CHECKPOINT)
    clips = make_clips(2)
    with (
        batcher() as batches,
        batches.job(classifier, time_limit_s=LONG_S) as first,
        batches.job(other, time_limit_s=LONG_S) as second,
    ):
        answers = threads.submit(first.logits, clips), threads.submit(second.logits, clips)
        for answer in answers:
            assert answer.result().shape == (2, 2)
    assert classifier.batches == other.batches == [2]


def test_heatmaps_come_with_the_logits_of_a_pass_without(classifier: Watched) -> None:
    clips = make_clips(2, frames=3)
    with batcher() as batches, batches.job(classifier, time_limit_s=LONG_S) as judge:
        found = judge.explain(clips)
        logits = judge.logits(clips)
    np.testing.assert_allclose([one.logits for one in found], logits, atol=1e-5)
    assert all(len(one.maps) == 3 for one in found)


def test_one_clip_that_breaks_the_network_fails_only_its_own_video(
    classifier: Watched, threads: ThreadPoolExecutor
) -> None:
    good, bad = make_clips(3), make_clips(1, frames=1)

    def refuse(clips: Sequence[Clip]) -> None:
        if any(len(clip) == 1 for clip in clips):
            raise ValueError("a single frame")

    classifier.before = refuse
    with (
        batcher() as batches,
        batches.job(classifier, time_limit_s=LONG_S) as first,
        batches.job(classifier, time_limit_s=LONG_S) as second,
    ):
        answer = threads.submit(first.logits, good)
        with pytest.raises(ValueError, match="a single frame"):
            second.logits(bad)
        np.testing.assert_array_equal(answer.result(), ClipClassifier(CHECKPOINT).logits(good))


def test_a_clip_of_another_form_is_refused_before_it_is_in_a_batch(classifier: Watched) -> None:
    with batcher() as batches, batches.job(classifier, time_limit_s=LONG_S) as judge:
        with pytest.raises(IncompatibleFaces):
            judge.logits([np.zeros((2, 8, 8, 3), np.uint8)])
        assert judge.logits(make_clips(1)).shape == (1, 2)
    assert classifier.batches == [1]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
def test_want_of_memory_halves_the_batch_from_then_on(
    classifier: Watched, error: Exception
) -> None:
    def no_room(clips: Sequence[Clip]) -> None:
        if len(clips) > 2:
            raise error

    classifier.before = no_room
    clips = make_clips(4)
    with batcher() as batches, batches.job(classifier, time_limit_s=LONG_S) as judge:
        first, second = judge.logits(clips), judge.logits(clips)
    assert classifier.batches == [4, 2, 2, 2, 2]
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, ClipClassifier(CHECKPOINT).logits(clips))


def test_a_clip_that_does_not_fit_alone_is_an_error_that_says_so(classifier: Watched) -> None:
    def no_room(clips: Sequence[Clip]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    classifier.before = no_room
    with (
        batcher() as batches,
        batches.job(classifier, time_limit_s=LONG_S) as judge,
        pytest.raises(OutOfMemory, match="2 frames does not fit"),
    ):
        judge.logits(make_clips(2))


def test_jobs_do_not_hang_when_the_compute_thread_dies_and_the_next_clip_has_another(
    classifier: Watched,
) -> None:
    def die(clips: Sequence[Clip]) -> None:
        raise SystemExit

    classifier.before = die
    with batcher(max_clips=1) as batches:
        with (
            batches.job(classifier, time_limit_s=LONG_S) as judge,
            pytest.raises(ComputeInterrupted),
        ):
            judge.logits(make_clips(3))
        classifier.before = lambda clips: None
        with batches.job(classifier, time_limit_s=LONG_S) as judge:
            assert judge.logits(make_clips(1)).shape == (1, 2)


def test_a_job_waits_no_longer_than_its_stage_may_take(classifier: Watched) -> None:
    release = threading.Event()
    classifier.before = lambda clips: [None, release.wait(LONG_S)][0]
    with batcher(max_clips=1) as batches:
        with (
            batches.job(classifier, time_limit_s=0.05) as judge,
            pytest.raises(TimeoutError, match="within 0"),
        ):
            judge.logits(make_clips(2))
        release.set()
    assert classifier.batches == [1]  # the other one was given up


def test_closing_ends_the_thread_and_takes_nothing_more(classifier: Watched) -> None:
    batches = batcher()
    with batches.job(classifier, time_limit_s=LONG_S) as judge:
        judge.logits(make_clips(1))
        batches.close()
        assert "compute" not in {thread.name for thread in threading.enumerate()}
        with pytest.raises(ComputeInterrupted, match="stopping"):
            judge.logits(make_clips(1))
