"""Gives one face the colours of another; fitted once for a clip, so that nothing pulses."""

from collections.abc import Callable
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
ColourMap = Callable[[Pixels], Pixels]

_LEAST_GAIN, _MOST_GAIN = 0.65, 1.6
_LEVELS = 256


class Transfer(StrEnum):
    """Ways to match colours."""

    CHANNELS = "channels"
    LAB = "lab"
    COVARIANCE = "covariance"
    HISTOGRAM = "histogram"


def fit_colours(kind: Transfer, have: Pixels, want: Pixels) -> ColourMap:
    """Find the map that gives some colours the statistics of others.

    Args:
        kind: `channels`: mean and deviation of red, green and blue. `lab`: the same in L*a*b*, as
            Reinhard et al. do in another opponent space ("Color Transfer between Images", IEEE
            CG&A 2001). `covariance`: the linear map of Pitie and Kokaram ("The Linear
            Monge-Kantorovitch Linear Colour Mapping", CVMP 2007). `histogram`: each channel's
            distribution.
        have: (N, 3) RGB in [0, 255], to be changed.
        want: (M, 3) RGB, to be matched.

    Returns:
        A function of pixels (h, w, 3).
    """
    match kind:
        case Transfer.CHANNELS:
            return _affine(*_match(have, want))
        case Transfer.COVARIANCE:
            return _affine(*_transport(have, want))
        case Transfer.HISTOGRAM:
            return _histogram(have, want)
        case Transfer.LAB:
            gain, offset = _match(_to_lab(have[None])[0], _to_lab(want[None])[0])
            in_lab = _affine(gain, offset)
            return lambda pixels: _from_lab(in_lab(_to_lab(pixels)))


def _match(have: Pixels, want: Pixels) -> tuple[Pixels, Pixels]:
    ratio = want.std(axis=0) / np.maximum(have.std(axis=0), 1.0)
    gain = np.diag(np.clip(ratio, _LEAST_GAIN, _MOST_GAIN)).astype(np.float32)
    return gain, want.mean(axis=0) - gain @ have.mean(axis=0)


def _transport(have: Pixels, want: Pixels) -> tuple[Pixels, Pixels]:
    ridge = np.eye(3) * 4.0
    first, second = (np.cov(part, rowvar=False) + ridge for part in (have, want))
    root = _root(first)
    back = np.linalg.inv(root)
    values, vectors = np.linalg.eigh(back @ _root(root @ second @ root) @ back)
    limited = np.clip(values, _LEAST_GAIN, _MOST_GAIN)
    matrix = ((vectors * limited) @ vectors.T).astype(np.float32)
    return matrix, want.mean(axis=0) - matrix @ have.mean(axis=0)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


def _affine(matrix: Pixels, offset: Pixels) -> ColourMap:
    both = np.column_stack([matrix, offset]).astype(np.float32)
    return lambda pixels: np.asarray(cv2.transform(pixels, both), np.float32)


def _histogram(have: Pixels, want: Pixels) -> ColourMap:
    shares = np.linspace(0, 1, 65)
    table = np.empty((_LEVELS, 3), np.float32)
    for channel in range(3):
        source = np.quantile(have[:, channel], shares)
        target = np.quantile(want[:, channel], shares)
        # Quantiles that fall together would make steps; the colours beyond keep their distance.
        source = np.maximum.accumulate(source + np.arange(65) * 1e-3)
        levels = np.arange(_LEVELS)
        inner = np.interp(levels, source, target)
        beyond = levels - np.clip(levels, source[0], source[-1])
        table[:, channel] = inner + beyond

    def apply(pixels: Pixels) -> Pixels:
        index = np.clip(np.rint(pixels), 0, _LEVELS - 1).astype(np.uint8)
        return np.asarray(cv2.LUT(index, table[None]), np.float32)

    return apply


def _to_lab(pixels: Pixels) -> Pixels:
    inside = np.clip(pixels, 0, 255) / np.float32(255)
    return np.asarray(cv2.cvtColor(inside, cv2.COLOR_RGB2Lab), np.float32)


def _from_lab(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_Lab2RGB) * np.float32(255), np.float32)
