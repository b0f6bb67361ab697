"""Runs the trunk with ONNX Runtime, the fastest engine on the CPUs that we measured."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask_shared.model.checkpoint import Checkpoint
from unmask_shared.model.frame_maps import FrameNetwork

_CROPS = "crops"
_OPSET = 17


class OnnxFrames:
    """A `FrameEngine` on the CPU.

    Each thread computes frames of its own, and they meet once a clip. Threads that share each
    layer's work meet some sixty times a clip, which costs little on an idle machine and a multiple
    of the work itself where the preprocessor wants the cores, too.
    """

    def __init__(self, checkpoint: Checkpoint, *, threads: int) -> None:
        """Translate the trunk, which takes about a second.

        Args:
            checkpoint: In evaluation mode, on the CPU.
            threads: Frames of a clip that are computed at the same time, at least 1.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            translated(checkpoint), options, providers=["CPUExecutionProvider"]
        )
        # Parts of one size, so that a clip is always divided in the same way: its maps are the
        # same to the last bit, whatever else is computed.
        self._part = -(-checkpoint.card.clip_length // threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="frames")

    def __call__(self, crops: NDArray[np.uint8]) -> Tensor:
        """Look at crops, as `FrameEngine` says."""
        parts = [crops[first : first + self._part] for first in range(0, len(crops), self._part)]
        if len(parts) == 1:
            return torch.from_numpy(self._run(parts[0]))
        return torch.from_numpy(np.concatenate(list(self._threads.map(self._run, parts))))

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps: NDArray[np.float32]
        (maps,) = self._session.run(None, {_CROPS: np.ascontiguousarray(crops)})
        return maps


def translated(checkpoint: Checkpoint) -> bytes:
    """The trunk with its normalisation, as an ONNX model for any number of crops."""
    side = checkpoint.card.input_size
    crops = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    with tempfile.TemporaryDirectory(prefix="unmask-trunk-") as folder:
        file = Path(folder) / "trunk.onnx"
        # PyTorch calls this exporter a legacy one. The new one needs two more packages and more
        # than ten seconds of each start; where PyTorch no longer has the old one, `engines` falls
        # back.
        torch.onnx.export(
            FrameNetwork(checkpoint),
            (crops,),
            file,
            dynamo=False,
            opset_version=_OPSET,
            input_names=[_CROPS],
            dynamic_axes={_CROPS: {0: "frames"}},
        )
        return file.read_bytes()
