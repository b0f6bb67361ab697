"""Makes a labelled data set: for each take a real control and its forgery, encoded alike.

The control is the take itself, compressed exactly as the forgery is: same encoder, same quality,
same size. What tells the two apart is the forgery and nothing else.
"""

import csv
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask_shared.errors import UnmaskError
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_trainer.datasets.footage import Take, render
from unmask_trainer.forgeries.blending import Donor, forge
from unmask_trainer.forgeries.geometry import Points
from unmask_trainer.forgeries.recipes import draw_recipe
from unmask_trainer.processes import single_threaded_processes
from unmask_trainer.recording import Encoding, write_video

METADATA_FILE = "metadata.csv"
METADATA_COLUMNS = ("id", "label", "person", "source", "method")

# Donors come from the takes that the same worker rendered before; chunks make that reproducible.
_CHUNK = 24
_DONORS = 12
_LONGEST_SILENCE = 0.25


@dataclass(frozen=True, kw_only=True)
class Forged:
    """What became of one take: a method's name, or why there is no pair."""

    take: Take
    method: str | None
    problem: str | None = None


class _NoSteadyFace(UnmaskError):
    """The most prominent face cannot be followed through the take."""

    title = "No face can be followed through the take"


def build_dataset(
    takes: Sequence[Take],
    out: Path,
    *,
    seed: int,
    workers: int,
    on_take: Callable[[Forged], None],
) -> int:
    """Write `out/real/ID.mp4`, `out/fake/ID.mp4` and `out/metadata.csv`.

    Args:
        takes: What to render; ids must differ.
        out: Created when missing; files of the same names are replaced.
        seed: The same seed and takes give the same videos, whatever the number of workers.
        workers: Processes.
        on_take: Called for each take when it is done; takes without a usable face are reported
            here and left out.

    Returns:
        Number of pairs written.
    """
    for label in ("real", "fake"):
        (out / label).mkdir(parents=True, exist_ok=True)
    chunks = [list(takes[start : start + _CHUNK]) for start in range(0, len(takes), _CHUNK)]
    rows: list[tuple[str, str, str, str, str]] = []
    with single_threaded_processes(workers) as pool:
        jobs = [pool.submit(_forge_chunk, chunk, out, seed) for chunk in chunks]
        for job in jobs:
            for done in job.result():
                on_take(done)
                if done.method is not None:
                    rows += _rows(done.take, done.method)
    with (out / METADATA_FILE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(METADATA_COLUMNS)
        table.writerows(rows)
    return len(rows) // 2


def _rows(take: Take, method: str) -> Iterator[tuple[str, str, str, str, str]]:
    yield take.id, "real", take.person, take.source, ""
    yield take.id, "fake", take.person, take.source, method


def _forge_chunk(takes: Sequence[Take], out: Path, seed: int) -> list[Forged]:
    donors: deque[tuple[str, Donor]] = deque(maxlen=_DONORS)
    done = []
    for take in takes:
        try:
            done.append(_forge_take(take, out, seed, donors))
        except UnmaskError as error:
            done.append(Forged(take=take, method=None, problem=f"{error.code}: {error.detail}"))
    return done


def _forge_take(take: Take, out: Path, seed: int, donors: deque[tuple[str, Donor]]) -> Forged:
    rng = np.random.default_rng([seed, zlib.crc32(take.id.encode())])
    frames = render(take, rng)
    encoding = Encoding(crf=int(rng.integers(16, 31)))
    real, fake = (out / label / f"{take.id}.mp4" for label in ("real", "fake"))
    write_video(real, frames, fps=take.fps, encoding=encoding)
    try:
        landmarks = follow_face(real, len(frames))
    except UnmaskError:
        real.unlink()
        raise
    others = [donor for person, donor in donors if person != take.person]
    recipe = draw_recipe(rng, may_swap=bool(others))
    donor = others[int(rng.integers(len(others)))] if recipe.swaps_person else None
    forged = forge(frames, list(landmarks), recipe, rng, donor)
    write_video(fake, forged, fps=take.fps, encoding=encoding)
    middle = len(frames) // 2
    donors.append((take.person, Donor(picture=frames[middle], landmarks=landmarks[middle])))
    return Forged(take=take, method=recipe.method)


def follow_face(video: Path, frames: int) -> Points:
    """Landmarks of the most prominent face in every frame of a short video.

    Args:
        video: The file.
        frames: Number of its frames.

    Returns:
        (frames, 5, 2) in pixels; short gaps are interpolated.

    Raises:
        UnmaskError: When the file cannot be decoded, or the face is missing too often.
    """
    settings = VisionSettings(sampling="all", clip_length=min(frames, 256), detection_side=320)
    tracks = extract_faces(video, settings).tracks
    if not tracks:
        raise _NoSteadyFace(f"no face in {video.name}")
    seen = np.array([frame.frame for frame in tracks[0].frames])
    edges = np.concatenate([[-1], seen, [frames]])
    if np.diff(edges).max() > 1 + _LONGEST_SILENCE * frames:
        raise _NoSteadyFace(f"the face is seen in only {len(seen)} of {frames} frames")
    known: NDArray[np.float64] = np.array(
        [frame.landmarks for frame in tracks[0].frames], np.float64
    ).reshape(len(seen), 10)
    steps = np.arange(frames)
    filled = [np.interp(steps, seen, column) for column in known.T]
    return np.stack(filled, axis=1).reshape(frames, 5, 2)
