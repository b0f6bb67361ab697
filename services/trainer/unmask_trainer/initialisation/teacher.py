"""MobileNetV2 trained on ImageNet, seen as features of a picture at four scales."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from unmask_shared.model.torchvision_import import load_torchvision
from unmask_trainer.initialisation.weight_files import load_exactly, torchvision_tensors

_NAME: Final = "mobilenet_v2"
# Behind these of its blocks the maps have a 4th, an 8th, a 16th and a 32nd of the picture's side.
_LAST_BLOCKS: Final = (3, 6, 13, 18)


class Teacher(nn.Module):
    """Four maps of a picture, as stages of a ResNet have them."""

    channels: Final = (24, 32, 96, 1280)

    def __init__(self) -> None:
        super().__init__()
        features = load_torchvision().models.mobilenet_v2(weights=None).features
        self.features = features.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Look at pictures.

        Args:
            pictures: (N, 3, S, S) float32, normalised as `CropTransform` does.

        Returns:
            (N, C, s, s) for each of `channels`.
        """
        maps, seen = pictures, []
        for number, block in enumerate(self.features):
            maps = block(maps)
            if number in _LAST_BLOCKS:
                seen.append(maps)
        return seen


def load_teacher(path: Path | None) -> tuple[Teacher, str]:
    """The teacher, frozen and in evaluation mode, and words for where it came from.

    Args:
        path: torchvision's file; None looks for it as `torchvision_tensors` does.

    Raises:
        UnusableWeights: When it cannot be had, or is another network's.
    """
    tensors, origin = torchvision_tensors(_NAME, path)
    teacher = Teacher()
    seen = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
    load_exactly(teacher, seen, origin=str(path or origin))
    return teacher.eval().requires_grad_(requires_grad=False), origin
