"""Engines give PyTorch's verdicts or do not serve; batches and their company change nothing."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from unmask_inference.batcher import MicroBatcher
from unmask_inference.engines import EngineDeviates, checked, engine_maker
from unmask_inference.onnx_frames import OnnxFrames
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.frame_maps import TorchFrames
from unmask_shared.model.predict import Clip, ClipClassifier, best_device

MODEL_DIR = Path(__file__).parents[3] / "models" / "default"
CHECKPOINT = load_checkpoint(MODEL_DIR)
CPU = torch.device("cpu")
SIDE, FULL = CHECKPOINT.card.input_size, CHECKPOINT.card.clip_length
LENGTHS = (FULL, 5, FULL, 1, 11)
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Noise of several sizes, so that the clips are as far from each other as faces are."""
    rng = np.random.default_rng(0)
    made = []
    for number, frames in enumerate(LENGTHS):
        grain = 2**number
        small = rng.integers(0, 256, (frames, SIDE // grain, SIDE // grain, 3), np.uint8)
        large = small.repeat(grain, axis=1).repeat(grain, axis=2)
        room = SIDE - large.shape[1]
        made.append(np.pad(large, ((0, 0), (0, room), (0, room), (0, 0))))
    return made


@pytest.fixture(scope="module")
def by_torch() -> ClipClassifier:
    return ClipClassifier(CHECKPOINT)


@pytest.fixture(scope="module")
def by_onnx() -> ClipClassifier:
    return ClipClassifier(CHECKPOINT, make_engine=engine_maker("onnxruntime", threads=2))


def test_onnx_runtime_serves_on_a_cpu_unless_told_otherwise() -> None:
    assert isinstance(engine_maker("auto", threads=1)(CHECKPOINT, CPU), OnnxFrames)
    assert isinstance(engine_maker("torch", threads=1)(CHECKPOINT, CPU), TorchFrames)


def test_engines_give_the_same_logits_and_heatmaps(
    clips: list[Clip], by_torch: ClipClassifier, by_onnx: ClipClassifier
) -> None:
    np.testing.assert_allclose(by_onnx.logits(clips), by_torch.logits(clips), atol=TOLERANCE)
    for found, expected in zip(by_onnx.explain(clips), by_torch.explain(clips), strict=True):
        strongest = np.abs(expected.maps).max()
        np.testing.assert_allclose(found.maps, expected.maps, atol=1e-3 * strongest)


def test_an_engine_that_cannot_be_loaded_is_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "unmask_inference.onnx_frames", raising=False)
    with caplog.at_level(logging.WARNING):
        engine = engine_maker("auto", threads=1)(CHECKPOINT, CPU)
    assert isinstance(engine, TorchFrames)
    assert "PyTorch does, more slowly" in caplog.text


class Shifted:
    """An engine that is a little wrong."""

    def __call__(self, crops: NDArray[np.uint8]) -> Tensor:
        maps = TorchFrames(CHECKPOINT, CPU)(crops)
        return maps + 1e-3 * maps.abs().max()


def test_an_engine_that_computes_something_else_is_refused() -> None:
    with pytest.raises(EngineDeviates, match=r"1\.0e-03"):
        checked(lambda _: Shifted(), CHECKPOINT, TorchFrames(CHECKPOINT, CPU))


@settings(max_examples=8)
@given(
    order=st.lists(st.sampled_from(range(len(LENGTHS))), min_size=1, max_size=6),
    most=st.integers(1, 4),
)
def test_the_company_of_a_clip_changes_no_bit_of_its_logits(
    clips: list[Clip], by_onnx: ClipClassifier, order: list[int], most: int
) -> None:
    alone = np.concatenate([by_onnx.logits([clip]) for clip in clips])
    with (
        MicroBatcher(max_clips=most, max_wait_s=1) as batcher,
        batcher.job(by_onnx, time_limit_s=60) as judge,
    ):
        np.testing.assert_array_equal(judge.logits([clips[i] for i in order]), alone[order])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_verdicts_of_a_cpu(clips: list[Clip], by_torch: ClipClassifier) -> None:
    expected = by_torch.logits(clips)
    on_gpu = ClipClassifier(load_checkpoint(MODEL_DIR), best_device(), batch_size=len(clips))
    np.testing.assert_allclose(on_gpu.logits(clips), expected, atol=1e-2)
    np.testing.assert_allclose(on_gpu.logits(clips[:1]), expected[:1], atol=1e-2)
