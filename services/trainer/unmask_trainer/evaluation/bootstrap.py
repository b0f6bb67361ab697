"""Resamples people, not rows: several videos of one person are not several observations."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Numbers in a block of weights: bounds the memory to tens of megabytes.
_BLOCK = 2_000_000


class IdentityBootstrap:
    """Draws identities with replacement; a row weighs as much as its identities were drawn.

    A forgery that shows two identities, its target and its source, weighs the product of both
    counts (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007), since it
    depends on both. The same seed draws the same resamples.
    """

    def __init__(
        self, identities: Sequence[tuple[str, ...]], *, resamples: int = 1000, seed: int = 0
    ) -> None:
        """Index the identities.

        Args:
            identities: For each row, one or more names.
            resamples: B.
            seed: Of the draws.

        Raises:
            ValueError: When a row has no identity.
        """
        if not all(identities):
            raise ValueError(f"row {identities.index(())} has no identity to be resampled by")
        names = sorted({name for row in identities for name in row})
        places = {name: i for i, name in enumerate(names)}
        self.clusters = len(names)
        self._resamples = resamples
        self._seed = seed
        longest = max((len(row) for row in identities), default=0)
        # Rows with fewer identities are filled with one that is always drawn once.
        self._places: NDArray[np.int64] = np.full((longest, len(identities)), self.clusters)
        for column, row in enumerate(identities):
            for line, name in enumerate(dict.fromkeys(row)):
                self._places[line, column] = places[name]

    def weights(self) -> Iterator[NDArray[np.float64]]:
        """Blocks of weights (b, N) that add up to B resamples."""
        rng = np.random.default_rng(self._seed)
        rows = self._places.shape[1]
        if not rows:
            return
        step = max(1, _BLOCK // max(rows, self.clusters))
        chances = np.full(self.clusters, 1 / self.clusters)
        for start in range(0, self._resamples, step):
            number = min(step, self._resamples - start)
            counts = np.ones((number, self.clusters + 1))
            counts[:, :-1] = rng.multinomial(self.clusters, chances, size=number)
            weights = counts[:, self._places[0]]
            for places in self._places[1:]:
                weights *= counts[:, places]
            yield weights
