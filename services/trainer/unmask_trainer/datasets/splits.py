"""Divides a data set by person: nobody is in two parts."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Split(StrEnum):
    """Parts of a data set."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the groups that go into validation and test; the rest is for training.

    Raises:
        ValueError: When a share is negative or nothing is left for training.
    """

    val: float = 0.12
    test: float = 0.12

    def __post_init__(self) -> None:
        if self.val < 0 or self.test < 0 or self.val + self.test >= 1:
            raise ValueError(f"shares of {self.val} and {self.test} leave nothing for training")


def split_of(group: str, shares: Shares, seed: int = 0) -> Split:
    """The part that a group belongs to.

    It depends on the group's name alone, so it stays when the data set grows.
    """
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < shares.val:
        return Split.VAL
    if place < shares.val + shares.test:
        return Split.TEST
    return Split.TRAIN


def split_groups(groups: Iterable[str], shares: Shares, seed: int = 0) -> dict[str, Split]:
    """Place every group, and see to it that no wanted part is empty.

    A handful of groups can by chance all fall into one part; then the groups whose hashes come
    first are moved into the empty parts. With many groups this never happens.
    """
    names = sorted(set(groups), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    placed = {name: split_of(name, shares, seed) for name in names}
    wanted = {Split.VAL: shares.val > 0, Split.TEST: shares.test > 0, Split.TRAIN: True}
    for split, needed in wanted.items():
        if not needed or split in placed.values():
            continue
        counts = {part: sum(value is part for value in placed.values()) for part in Split}
        crowded = max(counts, key=lambda part: counts[part])
        if counts[crowded] > 1:
            placed[next(name for name in names if placed[name] is crowded)] = split
    return placed
