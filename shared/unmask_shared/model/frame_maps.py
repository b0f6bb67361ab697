"""The costly part of a forward pass, from crops to the trunk's last maps, apart from the rest.

Nearly all of the time goes there, so this is what another engine than PyTorch can take over. What
follows the maps (the LSTM, the head, the gradients of heatmaps) stays in PyTorch.
"""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from unmask_shared.model.checkpoint import Checkpoint
from unmask_shared.model.transforms import CropTransform
from unmask_shared.model.trunks import last_maps


class FrameEngine(Protocol):
    """Looks at frames. Several threads may call it at the same time."""

    def __call__(self, crops: NDArray[np.uint8]) -> Tensor:
        """Look at crops.

        Args:
            crops: (N, S, S, 3) uint8 RGB, N >= 1.

        Returns:
            (N, C, h, w) float32, the trunk's last maps, on the device of the classifier.
        """
        ...


MakeEngine = Callable[[Checkpoint, torch.device], FrameEngine]


class FrameNetwork(nn.Module):
    """Normalisation and trunk in one module, with each batch norm folded into its convolution.

    Folding takes a third of the time off a trunk on a CPU and changes its maps by rounding only.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Copy the checkpoint's trunk; its own stays as it is.

        Args:
            checkpoint: In evaluation mode.
        """
        super().__init__()
        self._transform = CropTransform(mean=checkpoint.card.mean, std=checkpoint.card.std)
        trunk: Any = _fold_batch_norms(copy.deepcopy(checkpoint.model.trunk))
        # PyTorch's annotations know no memory formats of modules.
        self.trunk: nn.Module = trunk.to(memory_format=torch.channels_last)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, crops: Tensor) -> Tensor:
        """From (N, S, S, 3) uint8 crops to (N, C, h, w) maps."""
        return last_maps(self.trunk, self._transform.normalise(crops))


class TorchFrames:
    """Runs the trunk with PyTorch: in float32 on a CPU, in half precision on a CUDA device."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        """Copy the trunk to a device.

        Args:
            checkpoint: In evaluation mode.
            device: Where the maps will be.
        """
        self._device = device
        self._network = FrameNetwork(checkpoint).to(device)

    def __call__(self, crops: NDArray[np.uint8]) -> Tensor:
        """Look at crops, as `FrameEngine` says."""
        pixels = torch.from_numpy(np.ascontiguousarray(crops))
        # Not inference mode: gradients of heatmaps begin at these maps.
        with torch.inference_mode(mode=False), torch.no_grad():
            if self._device.type != "cuda":
                maps: Tensor = self._network(pixels)
                return maps
            # Bytes travel to the device, a quarter of what floats would be, and need no waiting.
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
            with torch.autocast("cuda", dtype=torch.float16):
                maps = self._network(pixels)
            return maps.float()


def _fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution in front of it, in place.

    In our trunks each follows its convolution in the order in which modules were added, too.
    """
    children = list(module.named_children())
    for (name, conv), (norm_name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
    for _, child in children:
        _fold_batch_norms(child)
    return module
