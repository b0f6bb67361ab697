"""What can be wrong with what a network starts from."""

from unmask_shared.errors import UnmaskError


class UnusableWeights(UnmaskError):
    """Weights to start from are missing, damaged, or those of another network."""

    code = "unusable_weights"
    title = "The network cannot start from these weights"
    action = 'See "What the trunk starts from" in docs/training.md for what fits which trunk.'
