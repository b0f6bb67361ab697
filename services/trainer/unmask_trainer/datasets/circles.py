"""Who may lend whom a face: small circles of people, so that a split by identity loses nothing.

A face swap shows two people, and an identity split has to put both into one part. If everybody
lends faces to everybody, about half of the swaps lie across the parts and are dropped; see
`identities`. The people of one circle are placed together instead.
"""

import hashlib
from collections.abc import Iterable, Mapping

from unmask_trainer.datasets.identities import LARGEST_UNIT


def circles_of(persons: Iterable[str], *, seed: int) -> Mapping[str, tuple[str, ...]]:
    """Divide people into circles of two to four, one only if there is nobody else.

    Args:
        persons: Everybody; the order does not matter.
        seed: Other seeds make other circles.

    Returns:
        The circle of each person, in one order for all of its members.
    """
    order = sorted(set(persons), key=lambda person: (_hash(person, seed), person))
    count = -(-len(order) // LARGEST_UNIT)
    circles = [tuple(sorted(order[start::count])) for start in range(count)]
    return {person: circle for circle in circles for person in circle}


def name_of(circle: tuple[str, ...]) -> str:
    """A circle's name in tables, which is nobody's own name."""
    return f"circle of {circle[0]}"


def _hash(person: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{person}".encode()).hexdigest()
