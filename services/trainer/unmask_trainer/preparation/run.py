"""Prepares a data set: describes, divides, checks and extracts it, and writes down all of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from unmask_shared.model.card import LABELS
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.crop_cache import CropCache, StoredFaces
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.faces import extract_all
from unmask_trainer.datasets.folder_lock import locked
from unmask_trainer.datasets.known_persons import read_known_persons, with_persons
from unmask_trainer.datasets.layouts.recognition import read_dataset
from unmask_trainer.datasets.leakage import Leakage, find_leakage
from unmask_trainer.datasets.prepared import (
    FACES_FOLDER,
    PREPARATION_FILE,
    Preparation,
    PreparedVideo,
    write_prepared,
)
from unmask_trainer.datasets.protocols import Assignment, Protocol, assign
from unmask_trainer.datasets.records import DatasetReading, VideoRecord
from unmask_trainer.datasets.splits import Shares
from unmask_trainer.preparation.journal import SurveyJournal
from unmask_trainer.preparation.outputs import write_outputs
from unmask_trainer.preparation.rows import row_of
from unmask_trainer.statistics.figure import FIGURE_FILE, draw_figure
from unmask_trainer.statistics.inspection import Inspection
from unmask_trainer.statistics.selection import FrameRange
from unmask_trainer.statistics.summary import Statistics, derive_statistics
from unmask_trainer.statistics.survey import SurveyedVideo, VideoFile, survey_videos
from unmask_trainer.statistics.tables import write_tables

JOURNAL_FILE: Final = "survey.jsonl"
STATISTICS_FOLDER: Final = "statistics"

# Told the stage's name and number of videos, gives what to call for each video.
Progress = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True, kw_only=True)
class PreparationSettings:
    """What to prepare, and how.

    Attributes:
        root: Folder of the videos, in one of the layouts.
        out: Folder that everything is written to; a run that ended early is continued there.
        layout: Name of the layout; None for the one that fits.
        label: `real` or `fake`, if that holds for all files and none says so.
        persons: A table of who is seen in which file; None for what the layout says.
        protocol: How to divide.
        seed: Of the split.
        shares: Sizes of validation and test; None for the protocol's own.
        wanted: How many frames a video may have.
        vision: How faces are extracted: as in serving.
        workers: Processes.
        timeout_s: Wall time for counting the frames of one file.
    """

    root: Path
    out: Path
    layout: str | None
    label: str | None
    persons: Path | None
    protocol: Protocol
    seed: int
    shares: Shares | None
    wanted: FrameRange
    vision: VisionSettings
    workers: int
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What came of it.

    Attributes:
        videos: A row for each video, by id.
        statistics: What the videos are like.
        assignment: The split.
        leakage: What its parts share.
        notes: What does not fit the layout.
    """

    videos: tuple[PreparedVideo, ...]
    statistics: Statistics
    assignment: Assignment
    leakage: Leakage
    notes: tuple[str, ...]


def prepare(settings: PreparationSettings, progress: Progress) -> Prepared:
    """Prepare a data set.

    Nothing that is wrong with a video ends the run; it becomes the status of its row. A run that
    was ended in the middle, even by a kill, goes on where it was when it is started again.

    Args:
        settings: What to prepare, and how.
        progress: Shows how far it is.

    Raises:
        InvalidDataset: The folder has no known layout, contradicts it, or cannot be divided.
    """
    root, out = settings.root.resolve(), settings.out.resolve()
    if out == root or (settings.label is not None and out.is_relative_to(root)):
        raise InvalidDataset(f"{out} holds the videos: choose another folder to write to")
    layout, reading = read_dataset(root, settings.layout, label=settings.label)
    if settings.persons is not None:
        reading = with_persons(reading, read_known_persons(settings.persons))
    assignment = assign(
        reading.records,
        settings.protocol,
        seed=settings.seed,
        shares=settings.shares,
        classes=LABELS if settings.label is None else (settings.label,),
    )
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        # From here on, until all is written again, nobody may take the folder for a whole one.
        (out / PREPARATION_FILE).unlink(missing_ok=True)
        statistics = derive_statistics(_survey(root, reading, settings, progress), settings.wanted)
        write_tables(statistics, out / STATISTICS_FOLDER)
        draw_figure(statistics, out / STATISTICS_FOLDER / FIGURE_FILE)
        surveyed = {video.file.name: video for video in statistics.videos}
        faces = _extract(reading, assignment, surveyed, settings, progress)
        prepared = Prepared(
            videos=tuple(
                row_of(
                    record,
                    assignment,
                    surveyed[record.path],
                    faces.get(record.id),
                    settings.wanted,
                )
                for record in reading.records
            ),
            statistics=statistics,
            assignment=assignment,
            leakage=find_leakage(reading.records, assignment, _digests(reading, surveyed)),
            notes=reading.notes,
        )
        write_outputs(out, assignment, prepared.leakage, prepared.videos, reading.notes)
        write_prepared(
            out,
            Preparation(
                root=root,
                layout=layout,
                protocol=assignment.protocol,
                seed=assignment.seed,
                split_sha256=assignment.sha256,
                crop_size=settings.vision.crop_size,
                crop_margin=settings.vision.crop_margin,
                clip_length=settings.vision.clip_length,
            ),
            prepared.videos,
        )
    return prepared


def _survey(
    root: Path, reading: DatasetReading, settings: PreparationSettings, progress: Progress
) -> list[SurveyedVideo]:
    """Open, count and hash every video that is not in the journal."""
    files = [
        VideoFile(path=root / record.path, name=record.path, group=_group(record))
        for record in reading.records
    ]
    journal = SurveyJournal(settings.out / JOURNAL_FILE)
    advance = progress("reading", len(files))
    found: dict[str, SurveyedVideo] = {}
    for file in files:
        known = journal.find(file)
        if known is not None:
            found[file.name] = known
            advance()

    def take(video: SurveyedVideo) -> None:
        journal.add(video)
        advance()

    fresh = survey_videos(
        [file for file in files if file.name not in found],
        Inspection(digest=True),
        workers=settings.workers,
        timeout_s=settings.timeout_s,
        on_video=take,
    )
    found |= {video.file.name: video for video in fresh}
    return [found[file.name] for file in files]


def _extract(
    reading: DatasetReading,
    assignment: Assignment,
    surveyed: Mapping[str, SurveyedVideo],
    settings: PreparationSettings,
    progress: Progress,
) -> dict[str, StoredFaces]:
    """Extract the faces of every video that is in a part and has the wanted length."""
    folder = settings.out / FACES_FOLDER
    folder.mkdir(exist_ok=True)
    chosen = [
        record
        for record in reading.records
        if record.id in assignment.parts
        and settings.wanted.why_dropped(surveyed[record.path]) is None
    ]
    cache = CropCache(folder=folder, settings=settings.vision)
    files = [(surveyed[one.path].file.path, _digest(surveyed[one.path])) for one in chosen]
    advance = progress("faces", len(chosen))
    found: dict[str, StoredFaces] = {}
    for record, stored in zip(
        chosen, extract_all(cache, files, workers=settings.workers), strict=True
    ):
        found[record.id] = stored
        advance()
    return found


def _digests(reading: DatasetReading, surveyed: Mapping[str, SurveyedVideo]) -> dict[str, str]:
    found: Iterable[tuple[str, str | None]] = (
        (record.id, _digest(surveyed[record.path])) for record in reading.records
    )
    return {name: digest for name, digest in found if digest is not None}


def _digest(video: SurveyedVideo) -> str | None:
    return None if video.facts is None else video.facts.sha256


def _group(record: VideoRecord) -> str:
    """What the statistics tell apart: methods without their variants, after a dot."""
    return record.method.partition(".")[0] or ("fake" if record.label else "real")
