"""Protocols that divide a data set into parts, and say what each of them is worth.

Everything depends on names and hashes alone: never on the order of files, and as little as possible
on which other videos there are.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.identities import assign_units, identity_units, persons_of
from unmask_trainer.datasets.records import Part, VideoRecord
from unmask_trainer.datasets.splits import Shares, split_of

# Small data sets can by chance lack a class in some part: other hashes are tried then.
_ATTEMPTS: Final = 32


class Protocol(StrEnum):
    """How a data set is divided.

    Attributes:
        RANDOM: Each video by itself: people and clips of the test part are trained on.
        IDENTITY: Nobody is in two parts, neither as the target of a forgery nor as its source.
        OFFICIAL: As the data set's authors say.
    """

    RANDOM = "random"
    IDENTITY = "identity"
    OFFICIAL = "official"

    @property
    def leaks_identities(self) -> bool:
        """Whether people of the test part are seen in training, by design."""
        return self is Protocol.RANDOM

    @property
    def default_shares(self) -> Shares:
        """Shares of the videos, or people, for validation and test.

        With `random`, 80 % are for training and validation. With `official`, validation is taken
        from training where the authors have no list for it, and nothing decides about the test.
        """
        if self is Protocol.IDENTITY:
            return Shares(val=0.15, test=0.15)
        return Shares(val=0.1, test=0.2 if self is Protocol.RANDOM else 0.0)


class Unassigned(StrEnum):
    """Why a video is in no part."""

    CROSS_PAIR = "cross_pair"
    SHARED_CLIP = "shared_clip"
    NOT_LISTED = "not_listed"
    TRAINING_ONLY = "training_only"

    @property
    def reason(self) -> str:
        """In words."""
        return {
            Unassigned.CROSS_PAIR: "its people belong to different parts",
            Unassigned.SHARED_CLIP: "its source clip is used in another part",
            Unassigned.NOT_LISTED: "the official lists put it in no part",
            Unassigned.TRAINING_ONLY: "it may only be trained on, but what it shows is elsewhere",
        }[self]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A data set, divided.

    Attributes:
        protocol: How.
        seed: Decides who goes where.
        shares: What was asked for.
        attempt: How many hashes were tried before this one because a class was missing in a part.
        parts: The part of each video, by id.
        unassigned: Why the others are in none, by id.
    """

    protocol: Protocol
    seed: int
    shares: Shares
    attempt: int
    parts: Mapping[str, Part]
    unassigned: Mapping[str, Unassigned]

    @property
    def sha256(self) -> str:
        """Over the sorted lines `ID<tab>PART`: tells whether two runs had the same split."""
        lines = (f"{name}\t{part}\n" for name, part in sorted(self.parts.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def assign(
    records: Sequence[VideoRecord],
    protocol: Protocol,
    *,
    seed: int = 0,
    shares: Shares | None = None,
    classes: Collection[str] = LABELS,
) -> Assignment:
    """Divide a data set.

    Args:
        records: Its videos, in any order.
        protocol: How to divide it.
        seed: Decides who goes where; the official lists are not asked.
        shares: Sizes of validation and test; None for the protocol's own.
        classes: Those that every part needs, by name.

    Raises:
        InvalidDataset: A wanted part would have no videos of a class.
    """
    shares = shares or protocol.default_shares
    method = _METHODS[protocol]
    lacking = ""
    for attempt in range(_ATTEMPTS):
        placed = method(records, shares, _Hash(seed=seed, attempt=attempt))
        _keep_for_training(records, placed)
        lacking = _lacking(records, placed, _wanted(shares, placed, protocol), classes)
        if not lacking:
            return Assignment(
                protocol=protocol,
                seed=seed,
                shares=shares,
                attempt=attempt,
                parts={k: v for k, v in placed.items() if isinstance(v, Part)},
                unassigned={k: v for k, v in placed.items() if isinstance(v, Unassigned)},
            )
    people = len({person for record in records for person in persons_of(record)})
    raise InvalidDataset(
        f"{len(records)} videos of {people} people or clips cannot be divided by the protocol "
        f"{protocol}: {lacking}; add videos of others, or choose other shares or another protocol"
    )


@dataclass(frozen=True, kw_only=True)
class _Hash:
    """Places names in parts."""

    seed: int
    attempt: int

    def part_of(self, name: str, shares: Shares) -> Part:
        return Part(split_of(f"{self.attempt}:{name}", shares, self.seed))


_Placed = dict[str, Part | Unassigned]
_Method = Callable[[Sequence[VideoRecord], Shares, _Hash], _Placed]


def _by_video(records: Sequence[VideoRecord], shares: Shares, places: _Hash) -> _Placed:
    return {
        record.id: Part.TRAIN
        if record.training_only
        else _reserved(record) or places.part_of(record.id, shares)
        for record in records
    }


def _by_identity(records: Sequence[VideoRecord], shares: Shares, places: _Hash) -> _Placed:
    free = [record for record in records if not record.reserved]
    units = identity_units(free)
    # Those of whom all is for training need not be placed by chance, which would drop some.
    divided = {
        units.unit[person]
        for record in free
        if not record.training_only
        for person in persons_of(record, units.owners)
    }
    sides = assign_units(
        units, lambda name: places.part_of(name, shares) if name in divided else Part.TRAIN
    )
    placed: _Placed = {
        record.id: Part.FALSE_POSITIVE_CHECK for record in records if record.reserved
    }
    for record in free:
        found = {sides[person] for person in persons_of(record, units.owners)}
        placed[record.id] = found.pop() if len(found) == 1 else Unassigned.CROSS_PAIR
    _drop_shared_clips(free, placed)
    return placed


def _keep_for_training(records: Iterable[VideoRecord], placed: _Placed) -> None:
    for record in records:
        part = placed[record.id]
        if record.training_only and isinstance(part, Part) and part is not Part.TRAIN:
            placed[record.id] = Unassigned.TRAINING_ONLY


def _drop_shared_clips(records: Iterable[VideoRecord], placed: _Placed) -> None:
    """Where people of several parts share a clip, the part with the first name keeps it."""
    home: dict[str, Part] = {}
    for record in sorted(records, key=lambda one: one.id):
        part = placed[record.id]
        if not isinstance(part, Part):
            continue
        if any(home.get(clip, part) is not part for clip in record.sources):
            placed[record.id] = Unassigned.SHARED_CLIP
        else:
            home.update(dict.fromkeys(record.sources, part))


def _by_lists(records: Sequence[VideoRecord], shares: Shares, places: _Hash) -> _Placed:
    has_val = any(record.official is Part.VAL for record in records)
    of_training = Shares(val=0.0 if has_val else shares.val, test=0.0)
    placed: _Placed = {}
    for record in records:
        part = record.official or _reserved(record) or Unassigned.NOT_LISTED
        if part is Part.TRAIN:
            # By the clip that is seen, so that a video and its forgeries are on one side.
            part = places.part_of(record.sources[0], of_training)
        placed[record.id] = part
    return placed


_METHODS: Final[Mapping[Protocol, _Method]] = {
    Protocol.RANDOM: _by_video,
    Protocol.IDENTITY: _by_identity,
    Protocol.OFFICIAL: _by_lists,
}


def _reserved(record: VideoRecord) -> Part | None:
    return Part.FALSE_POSITIVE_CHECK if record.reserved else None


def _wanted(shares: Shares, placed: _Placed, protocol: Protocol) -> set[Part]:
    wanted = {Part.TRAIN}
    if shares.val or Part.VAL in placed.values():
        wanted.add(Part.VAL)
    if shares.test or protocol is Protocol.OFFICIAL:
        wanted.add(Part.TEST)
    return wanted


def _lacking(
    records: Iterable[VideoRecord],
    placed: _Placed,
    wanted: set[Part],
    classes: Collection[str],
) -> str:
    """What is missing, in words; empty if every wanted part has all classes."""
    counts: dict[Part | Unassigned, Counter[int]] = defaultdict(Counter)
    for record in records:
        counts[placed[record.id]][record.label] += 1
    missing = [
        f"no {name} videos for {part}"
        for part in Part
        if part in wanted
        for name in classes
        if not counts[part][LABELS[name]]
    ]
    return ", ".join(missing)
