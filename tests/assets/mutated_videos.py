"""Videos that were changed at random, the same ones for the same seed."""

import random
from collections.abc import Callable, Iterator
from typing import Final

from hostile_clips import clips, other_codecs

_EXTREMES: Final = tuple(
    value.to_bytes(size, order)  # type: ignore[arg-type] # one of two words
    for size in (1, 2, 4, 8)
    for value in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    for order in ("big", "little")
)
# Most of what can go wrong is read from there.
_HEAD_BYTES: Final = 2048

Change = Callable[[bytearray, random.Random], None]


def _place(data: bytearray, chance: random.Random) -> int:
    """Any place, but rather one where containers keep what they say of themselves."""
    end = len(data)
    match chance.randrange(3):
        case 0:
            return chance.randrange(min(end, _HEAD_BYTES))
        case 1:
            return max(0, end - 1 - chance.randrange(min(end, _HEAD_BYTES)))
        case _:
            return chance.randrange(end)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 20)):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: random.Random) -> None:
    value, at = chance.choice(_EXTREMES), _place(data, chance)
    data[at : at + len(value)] = value


def _erase(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.randrange(1, 1 + len(data) // 8)]


def _zero(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    length = min(len(data) - at, chance.randrange(1, 256))
    data[at : at + length] = bytes(length)


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    piece = bytes(data[at : at + chance.randrange(1, 4096)])
    data[at:at] = piece * chance.randrange(1, 8)


def _move(data: bytearray, chance: random.Random) -> None:
    at, length = _place(data, chance), chance.randrange(1, 2048)
    piece = bytes(data[at : at + length])
    del data[at : at + length]
    to = _place(data, chance) if data else 0
    data[to:to] = piece


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[max(1, _place(data, chance)) :]


def _splice(data: bytearray, chance: random.Random) -> None:
    other = chance.choice(list(clips().values()))
    at = chance.randrange(len(other))
    data[_place(data, chance) :] = other[at:]


_CHANGES: Final[tuple[Change, ...]] = (
    _flip,
    _flip,
    _overwrite,
    _overwrite,
    _overwrite,
    _erase,
    _zero,
    _repeat,
    _move,
    _cut,
    _splice,
)


def mutated(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """So many videos with their names, each made from an intact clip by one to six changes."""
    intact = list((clips() | other_codecs()).items())
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        name, content = chance.choice(intact)
        data = bytearray(content)
        done = [name]
        for _ in range(chance.randrange(1, 7)):
            change = chance.choice(_CHANGES)
            if len(data) > 16:
                change(data, chance)
                done.append(change.__name__.strip("_"))
        yield f"{number} {' '.join(done)}", bytes(data)
