"""What a prepared data set says about its split, for programs and for people."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.leakage import Leakage
from unmask_trainer.datasets.prepared import TABLE_FILE, PreparedVideo, Status
from unmask_trainer.datasets.protocols import Assignment
from unmask_trainer.datasets.records import Part
from unmask_trainer.datasets.whole_files import replacing

SPLITS_FILE: Final = "splits.json"
LEAKAGE_FILE: Final = "leakage.json"
LEAKAGE_TEXT_FILE: Final = "leakage.txt"
# Of thousands of pictures there may be hundreds; all of them are in the table.
_MOST_TOLD: Final = 30


def write_outputs(
    folder: Path,
    assignment: Assignment,
    leakage: Leakage,
    videos: Sequence[PreparedVideo],
    notes: Sequence[str],
) -> None:
    """Write `splits.json`, `leakage.json` and `leakage.txt`."""
    _write(folder / SPLITS_FILE, _json(splits_document(assignment, videos, notes)))
    _write(folder / LEAKAGE_FILE, _json(leakage.document()))
    _write(folder / LEAKAGE_TEXT_FILE, leakage.text())


def splits_document(
    assignment: Assignment, videos: Sequence[PreparedVideo], notes: Sequence[str]
) -> dict[str, Any]:
    """The split in numbers: counts of all videos, and of those that can be used."""
    return {
        "protocol": assignment.protocol,
        "leaks_identities": assignment.protocol.leaks_identities,
        "seed": assignment.seed,
        "attempt": assignment.attempt,
        "shares": asdict(assignment.shares),
        "sha256": assignment.sha256,
        "videos": len(videos),
        "parts": {
            part: {
                name: {
                    "videos": len(chosen := _chosen(videos, part, label)),
                    "usable": sum(video.status is Status.OK for video in chosen),
                }
                for name, label in LABELS.items()
            }
            for part in Part
            if part in assignment.parts.values()
        },
        "unassigned": Counter(assignment.unassigned.values()),
        "notes": list(notes),
    }


def split_report(
    assignment: Assignment,
    leakage: Leakage,
    videos: Sequence[PreparedVideo],
    notes: Sequence[str],
) -> str:
    """The split as text for a terminal."""
    document = splits_document(assignment, videos, notes)
    lines = [f"Split {assignment.protocol}, seed {assignment.seed}, {assignment.sha256[:12]}:"]
    for part, classes in document["parts"].items():
        told = [f"{found['usable']} of {found['videos']} {name}" for name, found in classes.items()]
        lines.append(f"  {part}: {', '.join(told)} can be used")
    for reason, count in document["unassigned"].items():
        lines.append(f"  left out: {count} videos: {reason.reason}")
    lines += leakage.text().splitlines()
    # Those that could not even be counted are in the report on the statistics.
    expected = {Status.OK, Status.UNASSIGNED}
    unusable = [one for one in videos if one.status not in expected and one.frames is not None]
    lines += [f"{one.status}: {one.path}: {one.error}" for one in unusable[:_MOST_TOLD]]
    if len(unusable) > _MOST_TOLD:
        lines.append(f"... and {len(unusable) - _MOST_TOLD} more that cannot be used: {TABLE_FILE}")
    lines += [f"Note: {text}" for text in notes]
    return "\n".join(lines) + "\n"


def _chosen(videos: Sequence[PreparedVideo], part: Part, label: int) -> list[PreparedVideo]:
    return [video for video in videos if video.split is part and video.label == label]


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
