"""Who has to stay with whom when nobody may be in two parts.

A forgery shows two people, so people are joined by forgeries. A small group of people that nothing
joins with others, such as a pair of FaceForensics++, is placed as one and loses no video. In
Celeb-DF nearly all actors are joined with each other: such a group is cut person by person, and the
forgeries across the cut are dropped.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from unmask_trainer.datasets.records import Part, VideoRecord

# People of larger groups are placed one by one. A fixed number, not a share of all people, so that
# nobody moves when videos of others are added.
LARGEST_UNIT: Final = 4


@dataclass(frozen=True, kw_only=True)
class IdentityUnits:
    """Groups of people that are placed together.

    Attributes:
        unit: The group of each person, named after the first of its members.
        owners: Who is known to be seen in a clip, for videos that name a clip and no person.
    """

    unit: Mapping[str, str]
    owners: Mapping[str, tuple[str, ...]]


def persons_of(
    record: VideoRecord, owners: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[str, ...]:
    """The people of a video; where it does not say, those of its clips, or else the clips.

    Args:
        record: The video.
        owners: Who is seen in a clip, as far as it is known.
    """
    if record.identities:
        return record.identities
    known = owners or {}
    return tuple(person for clip in record.sources for person in known.get(clip, (f"clip:{clip}",)))


def identity_units(records: Sequence[VideoRecord]) -> IdentityUnits:
    """Find the groups; the order of the videos does not matter."""
    owners = _owners(records)
    leader: dict[str, str] = {}

    def find(person: str) -> str:
        while leader.setdefault(person, person) != person:
            leader[person] = leader[leader[person]]
            person = leader[person]
        return person

    for record in records:
        first, *others = persons_of(record, owners)
        home = find(first)
        for other in others:
            leader[find(other)] = home
    groups: dict[str, list[str]] = defaultdict(list)
    for person in sorted(leader):
        groups[find(person)].append(person)
    return IdentityUnits(
        unit={
            person: members[0] if len(members) <= LARGEST_UNIT else person
            for members in groups.values()
            for person in members
        },
        owners=owners,
    )


def assign_units(units: IdentityUnits, place: Callable[[str], Part]) -> dict[str, Part]:
    """The part of each person; `place` tells that of a group by its name."""
    return {person: place(unit) for person, unit in units.unit.items()}


def _owners(records: Sequence[VideoRecord]) -> dict[str, tuple[str, ...]]:
    """Who is seen in each clip, by the videos of one person and one clip."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if len(record.identities) == 1 and len(record.sources) == 1:
            found[record.sources[0]].add(record.identities[0])
    return {clip: tuple(sorted(people)) for clip, people in found.items()}
