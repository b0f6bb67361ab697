"""A prepared data set: checked, divided, its faces extracted, and all of that in tables.

`prepare` writes such a folder; `train` and `evaluate` take it like a folder of videos.
"""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.protocols import Protocol
from unmask_trainer.datasets.records import Part
from unmask_trainer.datasets.whole_files import replacing

PREPARATION_FILE: Final = "prepared.json"
TABLE_FILE: Final = "metadata.csv"
FACES_FOLDER: Final = ".faces"
_NAMES: Final = {label: name for name, label in LABELS.items()}


class Status(StrEnum):
    """What became of a video; those that are `ok` and in a part can be used."""

    OK = "ok"
    CORRUPT = "corrupt"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_FACE = "no_face"
    UNASSIGNED = "unassigned"


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What holds for the whole folder; its file is written last, when all others are whole.

    Attributes:
        root: Folder of the videos.
        layout: How they are laid out.
        protocol: How they were divided.
        seed: Of the split.
        split_sha256: Digest of the split.
        crop_size: Side of the crops, in pixels.
        crop_margin: Context around the face, as a share of it; None if an earlier version, which
            did not write it down, prepared the folder.
        clip_length: Consecutive frames of one clip.
    """

    root: Path
    layout: str
    protocol: Protocol
    seed: int
    split_sha256: str
    crop_size: int
    crop_margin: float | None = None
    clip_length: int


@dataclass(frozen=True, kw_only=True)
class PreparedVideo:
    """A row of the table.

    Attributes:
        id: The path without its suffix.
        label: 0 for real, 1 for fake.
        identities: Who is in it, the person who is seen first; empty if unknown.
        method: How it was forged, if known.
        source: The clips that it is made of; for a real video itself.
        split: Its part; None for videos that are in none.
        dataset: Name of the data set.
        frames: Counted frames; None if it cannot be read.
        faces: People that were found; None where nobody looked for them.
        status: What became of it.
        error: Why it cannot be used: a code, and after `: ` the detail.
        protocol: How the data set was divided, and if so, that this leaks identities.
        path: The file, relative to the root.
        sha256: Of the file's bytes; empty if it cannot be read.
    """

    id: str
    label: int
    identities: tuple[str, ...]
    method: str
    source: tuple[str, ...]
    split: Part | None
    dataset: str
    frames: int | None
    faces: int | None
    status: Status
    error: str
    protocol: str
    path: str
    sha256: str


_COLUMNS: Final = tuple(field.name for field in fields(PreparedVideo))
_ROW: Final = TypeAdapter(PreparedVideo)
_PREPARATION: Final = TypeAdapter(Preparation)


def is_prepared(folder: Path) -> bool:
    """Whether `prepare` came to its end in this folder."""
    return (folder / PREPARATION_FILE).is_file()


def write_prepared(folder: Path, preparation: Preparation, videos: Iterable[PreparedVideo]) -> None:
    """Write the table, then the file that makes the folder a prepared one."""
    with (
        replacing(folder / TABLE_FILE) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        table.writerows(_cells(video) for video in videos)
    with replacing(folder / PREPARATION_FILE) as partial:
        partial.write_bytes(_PREPARATION.dump_json(preparation, indent=2) + b"\n")


def read_preparation(folder: Path) -> Preparation:
    """Read what holds for the whole folder.

    Raises:
        InvalidDataset: The file is not what `write_prepared` writes.
    """
    path = folder / PREPARATION_FILE
    try:
        return _PREPARATION.validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidDataset(f"{path} is damaged or of another version; prepare again") from error


def caution_about(folder: Path) -> str:
    """What has to stand beside every result on this folder; empty if it needs no caution.

    Raises:
        InvalidDataset: The folder was prepared, but its file is damaged.
    """
    if is_prepared(folder) and read_preparation(folder).protocol.leaks_identities:
        return "The split is random: people and clips in it were trained on, too."
    return ""


def read_prepared(folder: Path) -> list[PreparedVideo]:
    """Read the table.

    Raises:
        InvalidDataset: A row is not what `write_prepared` writes.
    """
    path = folder / TABLE_FILE
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            return [_ROW.validate_python(_values(row)) for row in rows]
        except (KeyError, ValidationError) as error:
            raise InvalidDataset(
                f"line {rows.line_num} of {path} is not as `prepare` writes it; prepare again"
            ) from error


def _cells(video: PreparedVideo) -> dict[str, object]:
    return asdict(video) | {
        "label": _NAMES[video.label],
        "identities": ";".join(video.identities),
        "source": ";".join(video.source),
    }


def _values(row: dict[str, str]) -> dict[str, object]:
    return row | {
        "label": LABELS[row["label"]],
        "identities": tuple(filter(None, row["identities"].split(";"))),
        "source": tuple(filter(None, row["source"].split(";"))),
        **{name: row[name] or None for name in ("split", "frames", "faces")},
    }
