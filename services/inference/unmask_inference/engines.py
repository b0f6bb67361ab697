"""Chooses what looks at the frames: the fastest engine that gives the verdicts of PyTorch."""

import logging
from collections.abc import Callable
from typing import Final, Literal

import numpy as np
import torch

from unmask_shared.errors import UnmaskError
from unmask_shared.model.checkpoint import Checkpoint
from unmask_shared.model.frame_maps import FrameEngine, MakeEngine, TorchFrames

log = logging.getLogger(__name__)

EngineName = Literal["auto", "torch", "onnxruntime"]

# Of the largest value in PyTorch's maps. Rounding is a hundredth of this, and this moves the logits
# of the checkpoint that ships by less than 1e-3.
TOLERANCE: Final = 1e-4
_SEED: Final = 20240518


class EngineDeviates(UnmaskError):
    """An engine does not compute what PyTorch computes."""

    code = "engine_deviates"
    title = "The inference engine computes something else than PyTorch"
    action = "Set UNMASK_INFERENCE_ENGINE to torch, and report the checkpoint and the processor."


def engine_maker(name: EngineName, *, threads: int) -> MakeEngine:
    """What makes the engine of each checkpoint.

    Args:
        name: `auto` is ONNX Runtime on a CPU and PyTorch on a CUDA device, for which we have
            nothing else.
        threads: Of an engine that has its own.

    Returns:
        Falls back to PyTorch, with a warning, where the engine cannot be loaded, cannot run the
        checkpoint, or computes something else.
    """

    def make(checkpoint: Checkpoint, device: torch.device) -> FrameEngine:
        if name == "torch" or device.type != "cpu":
            return TorchFrames(checkpoint, device)
        reference = TorchFrames(checkpoint, device)
        try:
            return checked(_onnx_frames(threads), checkpoint, reference)
        except Exception:
            # Whatever is wrong with it, the worker can do without.
            log.warning(
                "ONNX Runtime cannot run %s %s; PyTorch does, more slowly",
                checkpoint.card.name,
                checkpoint.card.version,
                exc_info=True,
            )
            return reference

    return make


def checked(
    make: Callable[[Checkpoint], FrameEngine], checkpoint: Checkpoint, reference: FrameEngine
) -> FrameEngine:
    """Make an engine, and compare it with PyTorch on crops of noise.

    Raises:
        EngineDeviates: The maps are others.
    """
    engine = make(checkpoint)
    side = checkpoint.card.input_size
    noise = np.random.default_rng(_SEED).integers(
        0, 256, (checkpoint.card.clip_length, side, side, 3), dtype=np.uint8
    )
    expected = reference(noise)
    deviation = float((engine(noise) - expected).abs().max() / expected.abs().max())
    if not deviation <= TOLERANCE:
        raise EngineDeviates(
            f"Its maps deviate by {deviation:.1e} of the largest value; {TOLERANCE:.0e} is allowed."
        )
    return engine


def _onnx_frames(threads: int) -> Callable[[Checkpoint], FrameEngine]:
    # Only here: it takes half a second and 40 MB, of which hosts with a GPU have no use.
    from unmask_inference.onnx_frames import OnnxFrames  # noqa: PLC0415

    return lambda checkpoint: OnnxFrames(checkpoint, threads=threads)
