"""Gives converted batch norms the statistics that they would have had after training."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_AXES = (0, 2, 3)


@torch.no_grad()
def settle_batch_norms(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Let each batch norm normalise by its input's real statistics, without changing the network.

    In a network whose layers were no batch norms before, mean and variance are placeholders: it
    answers rightly in evaluation, but differently as soon as training normalises by the batch.
    This measures the statistics and changes factor and offset to make up for them.

    Args:
        network: Changed in place; its output in evaluation stays the same but for rounding.
        batches: What it will be trained on, or the like; some hundred pictures are enough.

    Raises:
        ValueError: When there is no batch.
    """
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    inputs: dict[nn.BatchNorm2d, _Moments] = {norm: _Moments() for norm in norms}
    handles = [
        norm.register_forward_pre_hook(lambda part, arguments: inputs[part].add(arguments[0]))
        for norm in norms
    ]
    was_training = network.training
    network.eval()
    try:
        for batch in batches:
            network(batch.contiguous(memory_format=torch.channels_last))
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    for norm, moments in inputs.items():
        _renormalise(norm, *moments.mean_and_variance())


class _Moments:
    """Sums over all batches."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = self._squares = torch.zeros(1, dtype=torch.float64)

    def add(self, maps: Tensor) -> None:
        """Take note of (N, C, H, W)."""
        exact = maps.double()
        self._count += maps.numel() // maps.shape[1]
        self._sum = self._sum.to(maps.device) + exact.sum(dim=_AXES)
        self._squares = self._squares.to(maps.device) + exact.square().sum(dim=_AXES)

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Of each channel."""
        if not self._count:
            raise ValueError("need at least one batch to measure what reaches the batch norms")
        mean = self._sum / self._count
        return mean, (self._squares / self._count - mean.square()).clamp_min(0)


def _renormalise(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("need batch norms that keep statistics")
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    offset = norm.bias.double() + factor * (mean - norm.running_mean.double())
    norm.weight.copy_(factor * (variance + norm.eps).sqrt())
    norm.bias.copy_(offset)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
