"""How much of the work is done, told often enough and never taken back."""

import time
from collections.abc import Callable
from typing import Final

# Listeners send it over networks; a bar needs no more.
_PAUSE_S: Final = 0.2


class Progress:
    """Passes on a fraction that only grows, a few times a second, and 1 in any case."""

    def __init__(self, on_progress: Callable[[float], None]) -> None:
        self._on_progress = on_progress
        self._shown = 0.0
        self._shown_at = -_PAUSE_S

    def show(self, fraction: float) -> None:
        """Take note of the fraction done, in [0, 1]."""
        now = time.monotonic()
        fraction = min(fraction, 1.0)
        if fraction <= self._shown or (fraction < 1 and now - self._shown_at < _PAUSE_S):
            return
        self._shown, self._shown_at = fraction, now
        self._on_progress(fraction)
