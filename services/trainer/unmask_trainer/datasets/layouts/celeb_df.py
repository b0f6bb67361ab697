"""Celeb-DF (Li et al., CVPR 2020), version 1 and version 2, as the authors' archives unpack.

`Celeb-real/idX_YYYY.mp4` shows the actor idX, `Celeb-synthesis/idX_idY_YYYY.mp4` the same clip with
the face of idY, `YouTube-real/NNNNN.mp4` somebody else. `List_of_testing_videos.txt` has lines such
as `1 Celeb-real/id1_0000.mp4`; there, 1 means real and 0 fake.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.records import DatasetReading, Part, VideoRecord, files_in, note

REAL: Final = "Celeb-real"
FAKE: Final = "Celeb-synthesis"
YOUTUBE: Final = "YouTube-real"
TEST_LIST: Final = "List_of_testing_videos.txt"

PUBLISHED: Final[Mapping[str, Mapping[str, int]]] = {
    "celeb-df-v1": {REAL: 158, FAKE: 795, YOUTUBE: 250},
    "celeb-df-v2": {REAL: 590, FAKE: 5639, YOUTUBE: 300},
}
"""How many videos each folder of a whole copy holds."""

_REAL_NAME: Final = re.compile(r"(?P<target>id\d+)_\d+\.mp4")
_FAKE_NAME: Final = re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<clip>\d+)\.mp4")
_YOUTUBE_NAME: Final = re.compile(r"\d+\.mp4")
_LIST_LINE: Final = re.compile(r"(?P<label>[01])\s+(?P<path>\S+)")
_LISTED_LABELS: Final = {"1": LABELS["real"], "0": LABELS["fake"]}


def fits(root: Path) -> bool:
    """Whether a folder looks like Celeb-DF."""
    return (root / REAL).is_dir() and (root / FAKE).is_dir()


def read(root: Path) -> DatasetReading:
    """Describe the videos.

    Raises:
        InvalidDataset: A line of the list cannot be read or contradicts the folders.
    """
    listed = _read_list(root / TEST_LIST)
    files = {folder: files_in(root / folder) for folder in (REAL, FAKE, YOUTUBE)}
    dataset = _version(files, has_list=listed is not None)
    records, strange = [], []
    for folder, inside in files.items():
        for file in inside:
            path = f"{folder}/{file.name}"
            record = _record_of(folder, file, dataset=dataset, official=_official(path, listed))
            if record is None:
                strange.append(path)
            else:
                records.append(record)
    missing = set(listed or {}) - {record.path for record in records}
    _check_labels(records, listed or {})
    return DatasetReading(
        records=tuple(records),
        notes=(
            *note(strange, "files are not named as in Celeb-DF and were left out"),
            *note(missing, f"videos of {TEST_LIST} are missing"),
            *_incomplete(records, dataset),
        ),
    )


def _version(files: Mapping[str, list[Path]], *, has_list: bool) -> str:
    """By the list that came with version 2, unless the folders are those of a whole version 1."""
    counts = {folder: len(inside) for folder, inside in files.items()}
    if has_list and counts != PUBLISHED["celeb-df-v1"]:
        return "celeb-df-v2"
    return "celeb-df-v1"


def _incomplete(records: Iterable[VideoRecord], dataset: str) -> list[str]:
    """What a copy lacks: a download that broke off looks like a small data set."""
    found = Counter(record.path.partition("/")[0] for record in records)
    return [
        f"{folder} holds {found[folder]} of the {count} videos that {dataset} was published with"
        for folder, count in PUBLISHED[dataset].items()
        if found[folder] < count
    ]


def _record_of(
    folder: str, file: Path, *, dataset: str, official: Part | None
) -> VideoRecord | None:
    path = f"{folder}/{file.name}"
    if folder == YOUTUBE and _YOUTUBE_NAME.fullmatch(file.name):
        name = f"youtube/{file.stem}"
        return VideoRecord(
            path=path,
            label=LABELS["real"],
            identities=(name,),
            sources=(name,),
            # Unlisted ones are training videos for the authors: here nobody trains on them.
            official=official if official is Part.TEST else None,
            reserved=True,
            dataset=dataset,
        )
    if folder == REAL and (real := _REAL_NAME.fullmatch(file.name)):
        return VideoRecord(
            path=path,
            label=LABELS["real"],
            identities=(real["target"],),
            sources=(file.stem,),
            official=official,
            dataset=dataset,
        )
    if folder == FAKE and (fake := _FAKE_NAME.fullmatch(file.name)):
        return VideoRecord(
            path=path,
            label=LABELS["fake"],
            identities=(fake["target"], fake["source"]),
            sources=(f"{fake['target']}_{fake['clip']}",),
            method=FAKE,
            official=official,
            dataset=dataset,
        )
    return None


def _official(path: str, listed: dict[str, int] | None) -> Part | None:
    if listed is None:
        return None
    return Part.TEST if path in listed else Part.TRAIN


def _read_list(path: Path) -> dict[str, int] | None:
    """Labels of the test videos by path; None if there is no list."""
    if not path.exists():
        return None
    labels: dict[str, int] = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        line = _LIST_LINE.fullmatch(text.strip())
        if line is None:
            raise InvalidDataset(
                f"line {number} of {path} is {text!r}, not `1 FOLDER/NAME.mp4` or "
                "`0 FOLDER/NAME.mp4`"
            )
        label = _LISTED_LABELS[line["label"]]
        if labels.setdefault(line["path"], label) != label:
            raise InvalidDataset(f"{path} calls {line['path']} real and fake")
    return labels


def _check_labels(records: list[VideoRecord], listed: dict[str, int]) -> None:
    for record in records:
        if listed.get(record.path, record.label) != record.label:
            raise InvalidDataset(
                f"{TEST_LIST} and the folder disagree about {record.path}: in the list, 1 means "
                "real and 0 fake"
            )
