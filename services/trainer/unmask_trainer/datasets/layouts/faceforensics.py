"""FaceForensics++ (Rössler et al., ICCV 2019), as the authors' download script lays it out.

`original_sequences/youtube/c23/videos/NNN.mp4` is a clip; `manipulated_sequences/METHOD/c23/videos/
TTT_SSS.mp4` is the clip TTT with the face, or the expression, of SSS. The actors of the Deep Fake
Detection set lie beside them: `original_sequences/actors/c23/videos/AA__SCENE.mp4` and
`manipulated_sequences/DeepFakeDetection/c23/videos/AA_BB__SCENE__CODE.mp4`. `splits/train.json`,
`val.json` and `test.json` list pairs of clips; both forgeries of a pair belong to its part.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.records import DatasetReading, Part, VideoRecord, files_in, note

METHODS: Final = (
    *("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter"),
    "DeepFakeDetection",
)
# Uncompressed videos are called `c0` or `raw`, depending on the release.
COMPRESSIONS: Final = ("c0", "raw", "c23", "c40")
_ORIGINALS: Final = "original_sequences"
_FORGERIES: Final = "manipulated_sequences"
_LISTS: Final = {Part.TRAIN: "train.json", Part.VAL: "val.json", Part.TEST: "test.json"}

_CLIP_NAME: Final = re.compile(r"(?P<clip>\d{3})\.mp4")
_PAIR_NAME: Final = re.compile(r"(?P<target>\d{3})_(?P<source>\d{3})\.mp4")
_ACTOR_NAME: Final = re.compile(r"(?P<actor>\d{2})__(?P<scene>\w+?)\.mp4")
_ACTORS_NAME: Final = re.compile(
    r"(?P<target>\d{2})_(?P<source>\d{2})__(?P<scene>\w+?)__(?P<code>[A-Z0-9]{8})\.mp4"
)
_PAIRS: Final = TypeAdapter(list[tuple[str, str]])


def fits(root: Path) -> bool:
    """Whether a folder looks like FaceForensics++."""
    return (root / _ORIGINALS).is_dir() and (root / _FORGERIES).is_dir()


def read(root: Path) -> DatasetReading:
    """Describe the videos; each compression is a data set of its own name.

    Raises:
        InvalidDataset: A list cannot be read, or two lists name one clip.
    """
    parts = _read_lists(root / "splits")
    records, strange = [], []
    for path in _files(root):
        record = _record_of(path.relative_to(root), parts)
        if record is None:
            strange.append(path.relative_to(root).as_posix())
        else:
            records.append(record)
    present = {record.sources[0] for record in records if record.label == LABELS["real"]}
    missing = {f"{clip}.mp4" for clip in parts if f"youtube/{clip}" not in present}
    return DatasetReading(
        records=tuple(records),
        notes=(
            *note(strange, "files are not named as in FaceForensics++ and were left out"),
            *note(missing, "clips of the lists in splits/ are missing"),
            *(() if parts else ("there are no lists in splits/, so no official split",)),
        ),
    )


def _files(root: Path) -> Iterator[Path]:
    for group, names in ((_ORIGINALS, ("youtube", "actors")), (_FORGERIES, METHODS)):
        for name in names:
            for compression in COMPRESSIONS:
                yield from files_in(root / group / name / compression / "videos")


def _record_of(path: Path, parts: dict[str, Part]) -> VideoRecord | None:
    group, origin, compression, _, name = path.parts
    identities, sources = _who_and_what(group, origin, name)
    if not identities:
        return None
    clips = [parts.get(person.removeprefix("youtube/")) for person in identities]
    is_fake = group == _FORGERIES
    return VideoRecord(
        path=path.as_posix(),
        label=LABELS["fake" if is_fake else "real"],
        identities=identities,
        sources=sources,
        method=origin if is_fake else "",
        # A forgery of clips from two parts belongs to neither.
        official=clips[0] if len(set(clips)) == 1 else None,
        dataset=f"faceforensics-{compression}",
    )


def _who_and_what(group: str, origin: str, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Identities and source clips by a file's name; empty if it is not one of the layout's."""
    if group == _ORIGINALS and origin == "youtube" and (clip := _CLIP_NAME.fullmatch(name)):
        # Nobody says who is shown: the authors took one clip of each person, as far as they knew.
        name = f"youtube/{clip['clip']}"
        return (name,), (name,)
    if group == _ORIGINALS and origin == "actors" and (real := _ACTOR_NAME.fullmatch(name)):
        return (f"actors/{real['actor']}",), (f"actors/{real['actor']}__{real['scene']}",)
    if origin == "DeepFakeDetection" and (fake := _ACTORS_NAME.fullmatch(name)):
        who = (f"actors/{fake['target']}", f"actors/{fake['source']}")
        return who, (f"actors/{fake['target']}__{fake['scene']}",)
    if origin in METHODS[:-1] and (pair := _PAIR_NAME.fullmatch(name)):
        names = (f"youtube/{pair['target']}", f"youtube/{pair['source']}")
        return names, names
    return (), ()


def _read_lists(folder: Path) -> dict[str, Part]:
    """The part of each listed clip; empty if there are no lists.

    Raises:
        InvalidDataset: A list is missing beside others, is damaged, or repeats another's clip.
    """
    if not any((folder / name).exists() for name in _LISTS.values()):
        return {}
    parts: dict[str, Part] = {}
    for part, name in _LISTS.items():
        for pair in _read_pairs(folder / name):
            for clip in pair:
                if parts.setdefault(clip, part) is not part:
                    raise InvalidDataset(
                        f"{folder} lists the clip {clip} for {parts[clip]} and for {part}"
                    )
    return parts


def _read_pairs(path: Path) -> list[tuple[str, str]]:
    try:
        return _PAIRS.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError as error:
        raise InvalidDataset(f"{path} is missing beside the other lists") from error
    except (ValidationError, json.JSONDecodeError) as error:
        raise InvalidDataset(f'{path} is not a list of pairs such as ["953", "974"]') from error
