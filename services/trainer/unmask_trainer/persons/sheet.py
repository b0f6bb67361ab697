"""Contact sheets: the faces of each person in a row, to see at a glance who is mixed or torn.

Below each face stands the end of its file's name, by which its line in the table is found.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.datasets.whole_files import replacing

_SIDE: Final = 96
_COLUMNS: Final = 12
_ROWS: Final = 40
_CONTEXT: Final = 0.12
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_LETTERS: Final = 0.45
_LABEL_AT: Final = (4, _SIDE - 6)
_STRIP: Final = 16
_NAME_LETTERS: Final = 0.33
_NAME_AT: Final = (2, 11)
_NAME_WIDTH: Final = _SIDE - 4

Tile = NDArray[np.uint8]


def write_sheets(
    path: Path,
    persons: Sequence[str],
    names: Sequence[str],
    crops: Sequence[NDArray[np.uint8]],
) -> list[Path]:
    """Draw the faces, those of a person next to each other with the person's name.

    Persons of several files have rows of their own and come first; those of one file follow.

    Args:
        path: The first sheet; further ones get `-2`, `-3`, ... before the suffix.
        persons: Name of each face's person.
        names: Of each face's file.
        crops: `(S, S, 3)` uint8 RGB each.

    Returns:
        The sheets, PNG files of up to 40 rows.
    """
    tiles: dict[str, list[Tile]] = defaultdict(list)
    for person, name, crop in zip(persons, names, crops, strict=True):
        tiles[person].append(np.vstack([_tile(crop, person), _strip(name)]))
    several = [found for found in tiles.values() if len(found) > 1]
    alone = [tile for found in tiles.values() if len(found) == 1 for tile in found]
    several.sort(key=len, reverse=True)
    rows = [_row(found[at : at + _COLUMNS]) for found in [*several, alone] for at in _starts(found)]
    written = []
    for number, start in enumerate(range(0, len(rows), _ROWS), 1):
        sheet = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        with replacing(sheet) as partial:
            pixels = np.vstack(rows[start : start + _ROWS])
            _, png = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
            partial.write_bytes(png.tobytes())
        written.append(sheet)
    return written


def _starts(tiles: Sequence[Tile]) -> range:
    return range(0, len(tiles), _COLUMNS)


def _row(tiles: Sequence[Tile]) -> Tile:
    empty = [np.zeros_like(tiles[0])] * (_COLUMNS - len(tiles))
    return np.hstack([*tiles, *empty])


def _tile(crop: NDArray[np.uint8], person: str) -> Tile:
    cut = round(_CONTEXT * len(crop))
    face = crop[cut : len(crop) - cut, cut : len(crop) - cut]
    tile = np.array(cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, person, _LABEL_AT, _FONT, _LETTERS, colour, width, cv2.LINE_AA)
    return tile


def _strip(name: str) -> Tile:
    strip = np.zeros((_STRIP, _SIDE, 3), np.uint8)
    while cv2.getTextSize(name, _FONT, _NAME_LETTERS, 1)[0][0] > _NAME_WIDTH:
        name = name[1:]
    cv2.putText(strip, name, _NAME_AT, _FONT, _NAME_LETTERS, (220, 220, 220), 1, cv2.LINE_AA)
    return strip
