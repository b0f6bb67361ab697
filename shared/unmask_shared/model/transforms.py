"""From stored crops to what the network sees; training and serving both call this."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# The statistics that published ResNet weights expect, so that a trunk can be exchanged for one.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Channels = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class CropTransform:
    """Normalises the channels: `(crop / 255 - mean) / std`."""

    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD

    def __call__(self, crops: NDArray[np.uint8]) -> Tensor:
        """Turn RGB crops into network input.

        Args:
            crops: (T, S, S, 3) uint8, RGB.

        Returns:
            (T, 3, S, S) float32.

        Raises:
            ValueError: When the crops have another shape or type.
        """
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[3] != 3:
            raise ValueError(
                f"crops must be uint8 of shape (T, S, S, 3), not {crops.dtype} of {crops.shape}"
            )
        return self.normalise(torch.from_numpy(np.ascontiguousarray(crops)))

    def normalise(self, crops: Tensor) -> Tensor:
        """The same for crops that are a tensor already, wherever it lies.

        Args:
            crops: (T, S, S, 3) uint8, RGB.

        Returns:
            (T, 3, S, S) float32, on the same device.
        """
        pixels = crops.permute(0, 3, 1, 2).float()
        mean = pixels.new_tensor(self.mean).view(1, 3, 1, 1) * 255
        std = pixels.new_tensor(self.std).view(1, 3, 1, 1) * 255
        return (pixels - mean) / std
