"""Networks of inverted residual blocks, with the names and the stages of a ResNet.

Their blocks are residual ones with the narrow end at the shortcut (Sandler et al., "MobileNetV2:
Inverted Residuals and Linear Bottlenecks", CVPR 2018).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from torch import Tensor, nn

FEATURES: Final = 1280
Bounds = tuple[int, int, int, int, int]
"""First blocks of `layer1` to `layer4`, and their end, where the stem is block 0: behind each of
them, maps have a 4th, an 8th, a 16th and a 32nd of the picture's side."""

_STEM: Final = {"0.0": "conv1", "0.1": "bn1"}


class InvertedResiduals(nn.Module):
    """From (N, 3, S, S) to (N, 1280)."""

    def __init__(self, blocks: Sequence[nn.Module], bounds: Bounds) -> None:
        """Sort blocks into stages.

        Args:
            blocks: A stem of convolution, batch norm and activation, the blocks, and a convolution
                of 1x1 to as many maps as there are features.
            bounds: Where the stages begin and end.
        """
        super().__init__()
        self.conv1, self.bn1, self.relu = blocks[0].children()
        # torchvision's ResNets have one here.
        self.maxpool = nn.Identity()
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(*blocks[first:end]) for first, end in pairwise(bounds)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean over the last maps."""
        maps: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = layer(maps)
        return maps.mean(dim=(2, 3))


def name_in_stages(name: str, bounds: Bounds) -> str:
    """What a tensor is called here.

    Args:
        name: Its name in the list of blocks that a network is made of, such as `3.conv.0.weight`.
        bounds: Where the stages begin and end.
    """
    for prefix, ours in _STEM.items():
        if name.startswith(f"{prefix}."):
            return ours + name.removeprefix(prefix)
    number, _, rest = name.partition(".")
    layer = sum(int(number) >= first for first in bounds)
    return f"layer{layer}.{int(number) - bounds[layer - 1]}.{rest}"
