"""`python -m unmask_trainer persons`: who is who in a folder of videos or pictures."""

import argparse
import csv
import sys
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.errors import InvalidInput
from unmask_trainer.persons.clustering import Persons, group_identities
from unmask_trainer.persons.identities import Identified, identify
from unmask_trainer.persons.sheet import write_sheets
from unmask_trainer.statistics.survey import VideoFile, find_videos

_LIMIT: Final = 0.5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="searched with all below it")
    parser.add_argument("--out", type=Path, default=Path("persons.csv"), metavar="CSV")
    parser.add_argument(
        "--limit", type=float, default=_LIMIT, metavar="DISTANCE", help="of faces of one person"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.workers < 1:
        raise InvalidInput(f"{options.workers} workers can search nothing")
    files = find_videos(options.folder, with_pictures=True)
    # Without a terminal there is nobody to watch a bar move.
    with tqdm(total=len(files), unit="file", desc="faces", disable=None) as bar:

        def advance(file: VideoFile, problem: str | None) -> None:
            bar.update()
            if problem:
                bar.write(f"left out {file.name}: {problem}", file=sys.stderr)

        found = identify(files, workers=options.workers, on_file=advance)
    if not found:
        raise InvalidInput(f"none of the {len(files)} files in {options.folder} shows a face")
    persons = group_identities(np.stack([one.identity for one in found]), limit=options.limit)
    _write(options.out, found, persons)
    sheets = write_sheets(
        options.out.with_suffix(".png"),
        persons.person,
        [Path(one.file.name).stem for one in found],
        [one.crop for one in found],
    )
    sys.stdout.write(
        f"{len(set(persons.person))} persons in {len(found)} of {len(files)} files: {options.out}\n"
        f"Check by eye, and correct the table: {', '.join(map(str, sheets))}\n"
    )


def _write(path: Path, found: list[Identified], persons: Persons) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(["file", "person", "confidence"])
        rows = zip(found, persons.person, persons.confidence, strict=True)
        table.writerows([one.file.name, name, f"{sure:.2f}"] for one, name, sure in rows)
