"""How weights are changed, and when to stop."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, inf, pi

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from unmask_trainer.training.settings import OptimiserSettings


@dataclass(frozen=True, kw_only=True)
class Descent:
    """An optimiser and the course of its learning rate."""

    optimiser: torch.optim.Optimizer
    schedule: LambdaLR


def make_descent(
    module: nn.Module, trunk: nn.Module, settings: OptimiserSettings, *, steps: int
) -> Descent:
    """Set up the optimiser of a stage.

    Args:
        module: Everything that is trained; a frozen trunk is taken out of it.
        trunk: The part of it whose learning rate is scaled by `trunk_factor`.
        settings: How weights are changed.
        steps: Number of batches of the whole stage.
    """
    of_trunk = {id(parameter) for parameter in trunk.parameters()}
    groups = []
    for in_trunk, factor in ((True, settings.trunk_factor), (False, 1.0)):
        members = [one for one in module.parameters() if (id(one) in of_trunk) == in_trunk]
        if factor == 0:
            trunk.requires_grad_(False)
            continue
        groups += _groups(members, settings.learning_rate * factor, settings.weight_decay)
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    optimiser = kind(groups)
    return Descent(
        optimiser=optimiser, schedule=warm_up_then_cosine(optimiser, steps, settings.warm_up)
    )


def _groups(
    parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float
) -> list[dict[str, object]]:
    """Biases and the scales of normalisation are not drawn to zero."""
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for parameter in parameters:
        (matrices if parameter.ndim > 1 else vectors).append(parameter)
    return [
        {"params": members, "lr": learning_rate, "weight_decay": decay}
        for members, decay in ((matrices, weight_decay), (vectors, 0.0))
        if members
    ]


def warm_up_then_cosine(
    optimiser: torch.optim.Optimizer, steps: int, warm_up: float = 0.05
) -> LambdaLR:
    """A learning rate that rises over the first share of the steps, then falls to nothing."""
    rising = max(1, round(steps * warm_up))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + cos(pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return LambdaLR(optimiser, factor)


@dataclass(kw_only=True)
class EarlyStopping:
    """Remembers the lowest value and tells when it has been too long since.

    Attributes:
        patience: Epochs without a lower value after which to stop.
        lowest: The lowest value so far.
        since: Epochs since then.
    """

    patience: int
    lowest: float = inf
    since: int = 0

    def improves(self, value: float) -> bool:
        """Take note of an epoch's value; whether it is the lowest so far. NaN never is."""
        if value < self.lowest:
            self.lowest, self.since = value, 0
            return True
        self.since += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether `patience` epochs in a row brought nothing."""
        return self.since >= self.patience
