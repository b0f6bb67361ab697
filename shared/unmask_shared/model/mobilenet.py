"""MobileNetV2 with the names and the stages of a ResNet.

Its blocks are residual ones, too, with the narrow end at the shortcut (Sandler et al.,
"MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018).
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from torch import Tensor, nn

from unmask_shared.model.torchvision_import import load_torchvision

FEATURES: Final = 1280
# First blocks of torchvision's list that belong to `layer1` to `layer4`, and its end: behind each
# layer, maps have a 4th, an 8th, a 16th and a 32nd of the picture's side.
_BOUNDS: Final = (1, 4, 7, 14, 19)
_STEM: Final = {"0.0": "conv1", "0.1": "bn1"}


class MobileNet(nn.Module):
    """From (N, 3, S, S) to (N, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        blocks = load_torchvision().models.mobilenet_v2(weights=None).features
        self.conv1, self.bn1, self.relu = blocks[0]
        # torchvision's ResNets have one here.
        self.maxpool = nn.Identity()
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(*blocks[first:end]) for first, end in pairwise(_BOUNDS)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean over the last maps."""
        maps: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = layer(maps)
        return maps.mean(dim=(2, 3))


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of torchvision's network by the names that they have here.

    Args:
        tensors: Its `state_dict`; the classifier's are left out.
    """
    return {
        _renamed(name.removeprefix("features.")): tensor
        for name, tensor in tensors.items()
        if name.startswith("features.")
    }


def _renamed(name: str) -> str:
    for prefix, ours in _STEM.items():
        if name.startswith(f"{prefix}."):
            return ours + name.removeprefix(prefix)
    number, _, rest = name.partition(".")
    layer = sum(int(number) >= first for first in _BOUNDS)
    return f"layer{layer}.{int(number) - _BOUNDS[layer - 1]}.{rest}"
