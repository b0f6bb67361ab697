"""The residual network of dlib's face recogniser, as a PyTorch module that can be trained on.

Its shape is that of dlib's `dnn_face_recognition_ex` example (Davis King, "High Quality Face
Recognition with Deep Metric Learning", 2017): 29 convolutions, a third of the arithmetic of
ResNet-18. What differs from torchvision's ResNets: convolutions with a stride have no padding, and
a block that halves the picture takes its shortcut from 2x2 averages, with zeros for the new
channels. dlib's "affine" layers are batch norms here, so that the network can be fine-tuned.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from unmask_shared.model.architecture import SMALLEST_INPUT

FEATURES = 256

_SMALLEST = SMALLEST_INPUT["resnet29_face"]

_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))


class FaceResNet(nn.Module):
    """Picture to 256 features: a stem and the five stages `layer1` to `layer5`.

    The stages end in 32, 64, 128, 256 and 256 channels. A picture of 150 px has maps of 35, 17, 8,
    4 and 2 px there, one of 112 px has 26, 13, 6, 3 and 1.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = _STAGES[0][0]
        self.conv1 = nn.Conv2d(3, channels, kernel_size=7, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2)
        for number, (width, blocks) in enumerate(_STAGES, start=1):
            # The first stage keeps the size that the pooling in front of it leaves.
            first = _Block(channels, width, stride=1 if number == 1 else 2)
            others = [_Block(width, width, stride=1) for _ in range(blocks - 1)]
            self.add_module(f"layer{number}", nn.Sequential(first, *others))
            channels = width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: Tensor) -> Tensor:
        """Describe pictures.

        Args:
            pictures: (N, 3, S, S) float, S >= 103.

        Returns:
            (N, 256).

        Raises:
            ValueError: When the pictures are too small.
        """
        if min(pictures.shape[-2:]) < _SMALLEST:
            height, width = pictures.shape[-2:]
            raise ValueError(
                f"this network needs pictures of at least {_SMALLEST} px, not {width}x{height}"
            )
        maps = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        for number in range(1, len(_STAGES) + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        return torch.mean(maps, dim=(2, 3))


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut that has no weights."""

    def __init__(self, channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.halves = stride == 2
        self.conv1 = nn.Conv2d(
            channels,
            width,
            kernel_size=3,
            stride=stride,
            padding=0 if self.halves else 1,
            bias=False,
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))
        if not self.halves:
            total: Tensor = self.relu(branch + maps)
            return total
        shortcut = functional.avg_pool2d(maps, kernel_size=2)
        # Without padding the convolution ends a row and a column earlier at even sizes.
        grown: Tensor = self.relu(_grown_to(shortcut, branch) + _grown_to(branch, shortcut))
        return grown


def _grown_to(maps: Tensor, other: Tensor) -> Tensor:
    """Zeros behind the last channel, row and column, as far as the other has more of them."""
    channels, height, width = (
        max(0, theirs - ours) for ours, theirs in zip(maps.shape[1:], other.shape[1:], strict=True)
    )
    return functional.pad(maps, (0, width, 0, height, 0, channels))
