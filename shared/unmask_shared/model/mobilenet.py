"""MobileNetV2 (Sandler et al., CVPR 2018), torchvision's."""

from collections.abc import Mapping
from typing import Final

from torch import Tensor

from unmask_shared.model.inverted_residuals import Bounds, InvertedResiduals, name_in_stages
from unmask_shared.model.torchvision_import import load_torchvision

_BOUNDS: Final[Bounds] = (1, 4, 7, 14, 19)


class MobileNet(InvertedResiduals):
    """From (N, 3, S, S) to (N, 1280)."""

    def __init__(self) -> None:
        super().__init__(load_torchvision().models.mobilenet_v2(weights=None).features, _BOUNDS)


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of torchvision's network by the names that they have here.

    Args:
        tensors: Its `state_dict`; the classifier's are left out.
    """
    return {
        name_in_stages(name.removeprefix("features."), _BOUNDS): tensor
        for name, tensor in tensors.items()
        if name.startswith("features.")
    }
