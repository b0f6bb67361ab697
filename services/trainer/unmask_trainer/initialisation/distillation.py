"""What a trunk is asked when it learns to see what another network sees.

After Romero et al., "FitNets" (ICLR 2015): at each of four scales a 1x1 convolution, thrown away
afterwards, has to tell the teacher's map from the trunk's own.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from unmask_shared.model.trunks import stage_maps

_TRIAL_SIDE: Final = 112


class Distillation(nn.Module):
    """A trunk, its teacher, and how far apart they are.

    Only the trunk and the 1x1 convolutions have anything to learn.
    """

    def __init__(self, trunk: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.teacher = teacher
        self.tellers = nn.ModuleList(
            nn.Conv2d(channels, wanted, kernel_size=1)
            for channels, wanted in zip(_channels(trunk), _channels(teacher), strict=True)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Mean squared error of what is told, over scales: 1 is what telling nothing costs.

        Args:
            pictures: (N, 3, S, S) float32, normalised, N >= 2.

        Returns:
            A scalar.
        """
        with torch.no_grad():
            wanted = [_levelled(maps) for maps in stage_maps(self.teacher, pictures)]
        errors = []
        for teller, maps, target in zip(
            self.tellers, stage_maps(self.trunk, pictures), wanted, strict=True
        ):
            told = functional.interpolate(
                teller(maps), size=target.shape[-2:], mode="bilinear", align_corners=False
            )
            errors.append(functional.mse_loss(told, target))
        return torch.stack(errors).mean()

    def train(self, mode: bool = True) -> "Distillation":
        """As `nn.Module.train`, but the teacher does not learn from the pictures."""
        super().train(mode)
        self.teacher.eval()
        return self


def _levelled(maps: Tensor) -> Tensor:
    """Brings each channel to mean 0 and variance 1 over the batch, so that each counts the same."""
    return functional.batch_norm(maps, None, None, training=True)


@torch.no_grad()
def _channels(trunk: nn.Module) -> list[int]:
    was_training = trunk.training
    device = next(trunk.parameters()).device
    trial = torch.zeros(1, 3, _TRIAL_SIDE, _TRIAL_SIDE, device=device)
    channels = [maps.shape[1] for maps in stage_maps(trunk.eval(), trial)]
    trunk.train(was_training)
    return channels
