"""Which clips an epoch shows, in which order: a function of the seed and the epoch alone.

So a run that was interrupted in the middle of an epoch goes on with exactly the batches that it
has not seen, and every process of a distributed run knows what the others do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from unmask_trainer.training.settings import Balance
from unmask_trainer.training.units import Piece, Unit


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One clip to be shown.

    Attributes:
        unit: Position of its unit.
        stored: The stored clip to show; None forges the unit's real clip anew.
        seed: Of the window and the augmentation: the same for the clips of a pair.
    """

    unit: int
    stored: Piece | None
    seed: tuple[int, ...]

    @property
    def label(self) -> int:
        """0 for real, 1 for fake."""
        return 1 if self.stored is None else self.stored.label


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """How draws are chosen.

    Attributes:
        balance: What is done about unequal classes.
        fresh: Share of the forgeries that are made anew.
        repeats: How often each clip of a data set is shown; 1 where it is not said.
        seed: Of all choices.
    """

    balance: Balance
    fresh: float
    repeats: Mapping[str, float]
    seed: int


def plan_epoch(units: Sequence[Unit], settings: PlanSettings, epoch: int) -> list[list[Draw]]:
    """The draws of an epoch, those of a pair together, shuffled.

    Args:
        units: The data set.
        settings: How draws are chosen.
        epoch: Its number; other epochs choose otherwise.
    """
    groups = []
    for position, unit in enumerate(units):
        rng = np.random.default_rng([settings.seed, epoch, position])
        for number in range(_rounds(settings.repeats.get(unit.dataset, 1.0), rng)):
            seed = (settings.seed, epoch, position, number)
            groups.append(_draws(unit, position, seed, settings, rng))
    np.random.default_rng([settings.seed, epoch]).shuffle(groups)
    return [group for group in groups if group]


def plan_validation(units: Sequence[Unit], settings: PlanSettings) -> list[list[Draw]]:
    """Every stored clip once, in order; a forgery is made for real clips that have none.

    Forging where nothing is stored lets data sets of real clips be validated on; without fresh
    forgeries in training, there are none here either.
    """
    plan = []
    for position, unit in enumerate(units):
        seed = (settings.seed, 0, position, 0)
        draws = [Draw(unit=position, stored=piece, seed=seed) for piece in unit.pieces]
        if unit.real and not unit.fakes and settings.fresh > 0:
            draws.append(Draw(unit=position, stored=None, seed=seed))
        plan.append(draws)
    return plan


def batches(
    groups: Sequence[Sequence[Draw]], *, size: int, rank: int = 0, world: int = 1
) -> Iterator[list[Draw]]:
    """Cut a plan into batches for one process of several.

    Args:
        groups: As planned.
        size: Draws of a batch of one process.
        rank: Which process this is.
        world: Number of processes. With more than one, a last batch that is not full is left out:
            all processes have to take as many steps.
    """
    draws = [draw for group in groups for draw in group]
    whole = size * world
    count = ceil(len(draws) / whole) if world == 1 else len(draws) // whole
    for number in range(count):
        start = number * whole + rank * size
        yield draws[start : start + size]


def class_weights(units: Sequence[Unit], balance: Balance) -> tuple[float, float]:
    """Weights of real and fake in the loss, 1 on average over the clips."""
    counts = [
        sum(piece.label == label for unit in units for piece in unit.pieces) for label in (0, 1)
    ]
    if balance != "weights" or not all(counts):
        return (1.0, 1.0)
    return (sum(counts) / (2 * counts[0]), sum(counts) / (2 * counts[1]))


def _rounds(repeats: float, rng: np.random.Generator) -> int:
    return floor(repeats) + int(rng.random() < repeats - floor(repeats))


def _draws(
    unit: Unit,
    position: int,
    seed: tuple[int, ...],
    settings: PlanSettings,
    rng: np.random.Generator,
) -> list[Draw]:
    stored = list(unit.fakes)
    if settings.balance == "pairs" and stored and unit.real:
        stored = [stored[int(rng.integers(len(stored)))]]
    fakes: list[Piece | None] = [
        None if unit.real and rng.random() < settings.fresh else piece for piece in stored
    ]
    if unit.real and not fakes and settings.fresh > 0:
        fakes = [None]
    shown = ([unit.real] if unit.real else []) + fakes
    return [Draw(unit=position, stored=piece, seed=seed) for piece in shown]
