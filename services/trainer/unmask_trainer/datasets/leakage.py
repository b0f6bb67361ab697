"""What the parts of a data set have in common, and should not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Final

from unmask_trainer.datasets.protocols import Assignment
from unmask_trainer.datasets.records import Part, VideoRecord, examples

_EXAMPLES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Names that occur in both of two parts: how many, and the first few."""

    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What two parts share.

    Attributes:
        parts: Their names.
        identities: People that are known by name.
        sources: Source clips.
        contents: Files with the same bytes, by their SHA-256.
    """

    parts: tuple[Part, Part]
    identities: Shared
    sources: Shared
    contents: Shared


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """The report on a split.

    Attributes:
        assignment: The split.
        overlaps: One for each two parts that have videos.
        unknown: Videos in a part of which the data set does not say who is in them.
    """

    assignment: Assignment
    overlaps: tuple[Overlap, ...]
    unknown: int

    def document(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "protocol": self.assignment.protocol,
            "leaks_identities_by_design": self.assignment.protocol.leaks_identities,
            "videos_of_unknown_identity": self.unknown,
            "overlaps": [asdict(overlap) for overlap in self.overlaps],
        }

    def text(self) -> str:
        """For people."""
        lines = []
        if self.assignment.protocol.leaks_identities:
            lines.append(
                "THIS SPLIT LEAKS IDENTITIES: people and clips of the test part are trained on, so "
                "results on it say nothing about other people."
            )
        lines += [
            f"{overlap.parts[0]} and {overlap.parts[1]} share {_words(overlap)}"
            for overlap in self.overlaps
        ]
        if self.unknown:
            lines.append(
                f"Nobody says who is in {self.unknown} videos: that some person is in two parts "
                "cannot be ruled out."
            )
        return "\n".join(lines) + "\n"


def find_leakage(
    records: Iterable[VideoRecord], assignment: Assignment, contents: Mapping[str, str]
) -> Leakage:
    """Compare the parts with each other.

    Args:
        records: The videos.
        assignment: Their parts.
        contents: SHA-256 of the files that could be read, by id.
    """
    people: dict[Part, set[str]] = defaultdict(set)
    clips: dict[Part, set[str]] = defaultdict(set)
    files: dict[Part, dict[str, str]] = defaultdict(dict)
    unknown = 0
    for record in sorted(records, key=lambda one: one.id):
        part = assignment.parts.get(record.id)
        if part is None:
            continue
        people[part].update(record.identities)
        clips[part].update(record.sources)
        unknown += not record.identities
        if record.id in contents:
            files[part].setdefault(contents[record.id], record.id)
    present = [part for part in Part if part in clips]
    return Leakage(
        assignment=assignment,
        overlaps=tuple(
            Overlap(
                parts=(one, other),
                identities=_shared(people[one] & people[other]),
                sources=_shared(clips[one] & clips[other]),
                contents=_shared(
                    f"{files[one][digest]} = {files[other][digest]}"
                    for digest in files[one].keys() & files[other].keys()
                ),
            )
            for one, other in combinations(present, 2)
        ),
        unknown=unknown,
    )


def _shared(names: Iterable[str]) -> Shared:
    found = sorted(names)
    return Shared(count=len(found), examples=tuple(found[:_EXAMPLES]))


def _words(overlap: Overlap) -> str:
    kinds = {
        "identities": overlap.identities,
        "source clips": overlap.sources,
        "files with the same bytes": overlap.contents,
    }
    told = [
        f"{shared.count} {kind}" + (f" ({examples(shared.examples)})" if shared.count else "")
        for kind, shared in kinds.items()
    ]
    return ", ".join(told) + "."
