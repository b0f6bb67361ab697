"""Random curves that wander slowly, for hands that tremble and faces that flicker."""

import numpy as np
from numpy.typing import NDArray


def slow_noise(
    rng: np.random.Generator, *, steps: int, channels: int, width: float
) -> NDArray[np.float64]:
    """White noise through a Gaussian window, scaled to unit variance.

    Args:
        rng: Source of randomness.
        steps: Length of the curves.
        channels: Number of curves, independent of each other.
        width: Standard deviation of the window, in steps.

    Returns:
        (steps, channels), mean 0 and standard deviation 1 in expectation.
    """
    reach = int(np.ceil(3 * width))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    window /= np.linalg.norm(window)
    white = rng.standard_normal((steps + 2 * reach, channels))
    curves = [np.convolve(column, window, mode="valid") for column in white.T]
    return np.stack(curves, axis=1)
