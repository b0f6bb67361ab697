"""A small folder of raw material as experiments/default.mk takes it: archives, clips and tables."""

import csv
import tarfile
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from dataset_trees import face_video
from media_factory import Head, admiral, astronaut, scenery, show
from numpy.typing import NDArray

PEOPLE = 9
"""In each source; forgeries need three circles of people, one for each part."""
FRAMES = 8
"""Of each clip."""
UNSURE = "unsure"
"""The person of faces that may be anybody's."""


def raw_material(root: Path) -> Path:
    """Write pairs of DFDC, photographs, portraits and clips, of `PEOPLE` people each.

    One pair of DFDC more is of an unsure person.
    """
    people = [f"d{number}" for number in range(PEOPLE)] + [UNSURE]
    pairs = [
        (f"{label}{number}.jpg", label, f"real{number}", person)
        for number, person in enumerate(people)
        for label in ("real", "fake")
    ]
    faces = {
        name: _face(number // 2, forged=number % 2 == 1) for number, (name, *_) in enumerate(pairs)
    }
    _archive(root / "dfdc_faces", faces, parts=2)
    _table(root / "dfdc_faces.csv", ("file", "label", "original", "person"), pairs)

    photographs = {f"person_{number}.jpg": _face(20 + number) for number in range(PEOPLE)}
    _archive(root / "lfw_faces", photographs)
    named = [(name, name.removesuffix(".jpg")) for name in photographs]
    _table(root / "lfw_faces.csv", ("file", "person"), named)

    portraits = {f"A{number:06d}.jpg": _face(40 + number) for number in range(PEOPLE)}
    _archive(root / "congress_portraits", portraits)
    _table(root / "congress_portraits.csv", ("file",), [(name,) for name in portraits])

    (root / "real_clips").mkdir()
    clips = [(f"{number:02d}_clip.mp4", f"p{number}") for number in range(PEOPLE)]
    for number, (name, _) in enumerate(clips):
        (root / "real_clips" / name).write_bytes(face_video(number, FRAMES))
    _table(root / "real_clips.csv", ("file", "person"), clips)
    return root


def _face(number: int, *, forged: bool = False) -> NDArray[np.uint8]:
    """A face before a background of its own; the forged one is smooth and has another tint."""
    portrait = (astronaut, admiral)[number % 2]()
    head = Head(portrait=portrait, center=(110 + number % 10, 110), eye_distance=40)
    picture = show(scenery(240, 240, seed=number), head)
    if forged:
        picture[60:180, 60:180] = cv2.GaussianBlur(picture[60:180, 60:180], (0, 0), 2) // 10 * 9
    return picture


def _archive(folder: Path, pictures: dict[str, NDArray[np.uint8]], *, parts: int = 1) -> None:
    """`part-NN.tar` with JPEG files, divided evenly."""
    folder.mkdir(parents=True)
    names = list(pictures)
    for part in range(parts):
        with tarfile.open(folder / f"part-{part + 1:02d}.tar", "w") as archive:
            for name in names[part::parts]:
                _, data = cv2.imencode(".jpg", pictures[name][..., ::-1])
                entry = tarfile.TarInfo(name)
                entry.size = data.size
                archive.addfile(entry, BytesIO(data.tobytes()))


def _table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # As spreadsheets write them, with both characters at the end of a line.
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\r\n")
        table.writerow(columns)
        table.writerows(rows)
