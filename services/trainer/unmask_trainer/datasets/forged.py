"""Makes a labelled data set: for each take a real control and forgeries of it, encoded alike.

The control is the take itself, compressed exactly as the forgeries are: same encoder, same quality,
same size. What tells them apart is the forgery and nothing else.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from unmask_trainer.datasets.circles import circles_of, name_of
from unmask_trainer.datasets.errors import InvalidDataset, WorkerLost
from unmask_trainer.datasets.folder_lock import locked
from unmask_trainer.datasets.footage import Take
from unmask_trainer.datasets.takes import (
    JOURNAL,
    FollowedTake,
    ForgedTake,
    ForgeSettings,
    make_control,
    make_forgery,
)
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.errors import InvalidInput
from unmask_trainer.forgeries.methods import can_draw
from unmask_trainer.processes import single_threaded_processes

METADATA_FILE: Final = "metadata.csv"
METADATA_COLUMNS: Final = (
    "id",
    "label",
    "person",
    "identities",
    "circle",
    "source",
    "clip",
    "method",
)
_SETTINGS_FILE: Final = "settings.json"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A take's control or one of its forgeries is done.

    Attributes:
        take: The take.
        problem: Why the take is left out, or its forgeries; empty if they are not.
        steps: How many of its `1 + per_take` videos are over with.
    """

    take: Take
    problem: str = ""
    steps: int = 1


def build_dataset(
    takes: Sequence[Take],
    out: Path,
    settings: ForgeSettings,
    *,
    workers: int,
    on_progress: Callable[[Progress], None],
) -> int:
    """Write `out/real/ID.mp4`, `out/fake/ID~N.mp4` and `out/metadata.csv`.

    What an earlier run with the same settings has made is kept.

    Args:
        takes: What to render; ids must differ.
        out: Created when missing.
        settings: How to forge; the same settings and takes give the same videos, whatever the
            number of workers.
        workers: Processes.
        on_progress: Called when a control or a forgery is done; takes without a usable face are
            reported here and left out.

    Returns:
        Number of forgeries.

    Raises:
        InvalidDataset: The folder was made with other settings, or another run is at work in it.
        InvalidInput: No take shows a face, two have one id, or the methods need more people.
        WorkerLost: A process was ended from outside.
    """
    _check_ids(takes)
    for name in ("real", "fake", JOURNAL):
        (out / name).mkdir(parents=True, exist_ok=True)
    with locked(out):
        _keep_settings(out, settings, takes)
        try:
            with single_threaded_processes(workers) as pool:
                followed = _controls(pool, takes, out, settings, on_progress)
                forged = _forgeries(
                    pool, takes, followed, out=out, settings=settings, on_progress=on_progress
                )
        except BrokenProcessPool as error:
            raise WorkerLost("A process that forges was ended from outside.") from error
        _write_table(out, takes, followed, forged, settings.seed)
    return len(forged)


def _check_ids(takes: Sequence[Take]) -> None:
    seen: set[str] = set()
    for take in takes:
        if take.id in seen:
            raise InvalidInput(f"two files are called {take.source}: rename one of them")
        seen.add(take.id)


def _keep_settings(out: Path, settings: ForgeSettings, takes: Sequence[Take]) -> None:
    """Hold a folder to what it was begun with: half of each would fit neither."""
    named = [asdict(take) | {"path": take.path.name} for take in takes]
    form = asdict(settings) | {"takes": named}
    text = json.dumps(form, indent=1, default=str, sort_keys=True)
    path = out / JOURNAL / _SETTINGS_FILE
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InvalidDataset(
            f"{out} was begun with other footage or options: go on with those, or choose an empty "
            "folder"
        )
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _controls(
    pool: ProcessPoolExecutor,
    takes: Sequence[Take],
    out: Path,
    settings: ForgeSettings,
    on_progress: Callable[[Progress], None],
) -> dict[str, FollowedTake]:
    jobs = {pool.submit(make_control, take, out, settings): take for take in takes}
    done = {}
    for job in as_completed(jobs):
        take = jobs[job]
        done[take.id] = job.result()
        problem = done[take.id].problem
        steps = 1 + settings.per_take if problem else 1
        on_progress(Progress(take=take, problem=problem, steps=steps))
    if all(one.problem for one in done.values()):
        raise InvalidInput(
            f"none of the {len(takes)} takes shows a face that can be followed: give footage of "
            "faces that are at least 32 pixels wide"
        )
    return done


def _forgeries(
    pool: ProcessPoolExecutor,
    takes: Sequence[Take],
    followed: Mapping[str, FollowedTake],
    *,
    out: Path,
    settings: ForgeSettings,
    on_progress: Callable[[Progress], None],
) -> list[ForgedTake]:
    usable = [take for take in takes if not followed[take.id].problem]
    circles = circles_of((take.person for take in takes), seed=settings.seed)
    lenders: dict[str, list[tuple[Take, FollowedTake]]] = defaultdict(list)
    for take in usable:
        if followed[take.id].looks_ahead:
            lenders[take.person].append((take, followed[take.id]))
    jobs = {}
    for take in usable:
        others = [
            one
            for person in circles[take.person]
            if person != take.person
            for one in lenders[person]
        ]
        if not can_draw(settings.methods, has_donor=bool(others)):
            problem = "no forgery of it: nobody in its circle can lend it a face"
            on_progress(Progress(take=take, problem=problem, steps=settings.per_take))
            continue
        for number in range(settings.per_take):
            job = pool.submit(
                make_forgery, take, number, followed[take.id], others, out=out, settings=settings
            )
            jobs[job] = take
    done = []
    for job in as_completed(jobs):
        take = jobs[job]
        done.append(job.result())
        on_progress(Progress(take=take))
    if not done:
        raise InvalidInput(
            f"the methods {', '.join(settings.methods)} need faces of at least two people: add "
            "footage of others, name who is shown with --persons, or choose methods that need "
            "nobody else"
        )
    return sorted(done, key=lambda one: one.id)


def _write_table(
    out: Path,
    takes: Sequence[Take],
    followed: Mapping[str, FollowedTake],
    forged: Sequence[ForgedTake],
    seed: int,
) -> None:
    by_id = {take.id: take for take in takes}
    circles = circles_of((take.person for take in takes), seed=seed)

    def row(name: str, label: str, take: Take, method: str, donor: str) -> tuple[str, ...]:
        people = [take.person] + ([by_id[donor].person] if donor else [])
        circle = name_of(circles[take.person])
        return (
            name,
            label,
            take.person,
            ";".join(people),
            circle,
            take.source,
            take.id,
            method,
        )

    rows = [row(t.id, "real", t, "", "") for t in takes if not followed[t.id].problem]
    rows += [row(one.id, "fake", by_id[one.take], one.method, one.donor) for one in forged]
    with (
        replacing(out / METADATA_FILE) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(METADATA_COLUMNS)
        table.writerows(rows)
