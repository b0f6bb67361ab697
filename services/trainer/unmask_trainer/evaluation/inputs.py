"""The data sets of an evaluation: which videos are measured, and what is known about them."""

import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.model.card import ModelCard
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.faces import FaceClips, extract_data_set
from unmask_trainer.datasets.labelled import METADATA_FILE, LabelledVideo, read_labelled_videos
from unmask_trainer.datasets.missing_crops import explain_missing_crops
from unmask_trainer.datasets.prepared import FACES_FOLDER, caution_about
from unmask_trainer.evaluation import appearance
from unmask_trainer.evaluation.document import DatasetInfo, LeftOut
from unmask_trainer.evaluation.errors import InvalidEvaluation
from unmask_trainer.evaluation.metadata import Metadata
from unmask_trainer.evaluation.samples import Facts

_NO_SPLIT = (
    "The data does not say what was trained on. If the checkpoint learned from any of these "
    "people, the figures are too good."
)
_LEARNED_FROM = {"train", "val"}
_SEPARATOR = ";"


@dataclass(frozen=True, kw_only=True)
class EvaluationInput:
    """A data set with its faces.

    Attributes:
        info: For the document.
        faces: The measured videos.
        facts: About each of them.
        columns: Names of the columns that the metadata has, and of those that crops tell.
    """

    info: DatasetInfo
    faces: tuple[FaceClips, ...]
    facts: tuple[Facts, ...]
    columns: frozenset[str]


def vision_settings(card: ModelCard) -> VisionSettings:
    """The face pipeline's settings that a checkpoint was trained with."""
    return VisionSettings(
        face_mode=card.face_mode,
        crop_size=card.input_size,
        crop_margin=card.crop_margin,
        clip_length=card.clip_length,
    )


def read_input(
    folder: Path,
    settings: VisionSettings,
    *,
    name: str,
    splits: Sequence[str],
    metadata: Sequence[Path],
    by: Sequence[str],
    workers: int,
) -> EvaluationInput:
    """Read a labelled folder and extract the faces of the videos to be measured.

    Args:
        folder: As `read_labelled_videos` takes it.
        settings: Those that the checkpoint was trained with.
        name: What to call the data set where its metadata does not say.
        splits: Values of the metadata's column `split` to measure. Without any, all videos but
            those that the column marks as trained on or calibrated on.
        metadata: Further tables, beside the folder's own.
        by: Columns that are asked for; of what crops tell, only these are looked at.
        workers: Processes that extract faces.

    Raises:
        InvalidDataset: The folder's own tables are damaged, or a prepared folder has neither the
            crops that the checkpoint reads nor its videos.
        InvalidEvaluation: When no video is left, or a split does not occur.
    """
    own = [folder / METADATA_FILE] if (folder / METADATA_FILE).exists() else []
    tables = Metadata([*own, *metadata])
    videos = read_labelled_videos(folder)
    rows = {video.id: tables.of(video, folder) for video in videos}
    chosen = choose_videos(videos, rows, splits, folder)
    if notice := explain_missing_crops(folder, chosen, settings):
        tqdm.write(notice, file=sys.stderr)
    left_out: list[LeftOut] = []
    with tqdm(total=len(chosen), unit="video", desc=f"faces of {name}", disable=None) as bar:

        def advance(video: LabelledVideo, problem: str | None) -> None:
            bar.update()
            if problem:
                left_out.append(LeftOut(id=video.id, reason=problem))
                bar.write(f"left out {video.id}: {problem}", file=sys.stderr)

        faces = extract_data_set(
            chosen, settings, folder / FACES_FOLDER, workers=workers, on_video=advance
        )
    if not faces:
        raise InvalidEvaluation(f"none of the {len(chosen)} videos in {folder} shows a face")
    sorts_by_skin = appearance.COLUMN in by and settings.face_mode == "faces"
    return EvaluationInput(
        info=DatasetInfo(
            name=name,
            folder=str(folder),
            splits=tuple(sorted({rows[face.video.id].get("split", "") for face in faces} - {""})),
            caution=caution_about(folder) or _caution_about_splits(rows),
            not_chosen=len(videos) - len(chosen),
            left_out=tuple(left_out),
            sha256=fingerprint(faces),
        ),
        faces=tuple(faces),
        facts=tuple(
            facts_of(
                face.video,
                (_appearance(face, settings) if sorts_by_skin else {}) | rows[face.video.id],
                name,
            )
            for face in faces
        ),
        columns=frozenset(tables.columns) | {appearance.COLUMN},
    )


def fingerprint(faces: Sequence[FaceClips]) -> str:
    """SHA-256 over what the videos are called and hold, whatever their order."""
    lines = []
    for face in faces:
        digest = face.video.sha256
        if digest is None:
            with face.video.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest} {face.video.id}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def dataset_names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with numbers behind those that occur again."""
    names: list[str] = []
    for folder in folders:
        plain = folder.resolve().name or "data"
        times = sum(name == plain or name.startswith(f"{plain} (") for name in names)
        names.append(f"{plain} ({times + 1})" if times else plain)
    return names


def told_apart(inputs: Sequence[EvaluationInput]) -> list[EvaluationInput]:
    """Add the folder's name to names of data sets that occur in several inputs.

    Two folders without a name of their own must not be taken for one, nor two people of one name.
    """
    homes = Counter(name for item in inputs for name in {facts.dataset for facts in item.facts})

    def name(facts: Facts, folder: str) -> str:
        shared = homes[facts.dataset] > 1 and facts.dataset != folder
        return f"{facts.dataset} ({folder})" if shared else facts.dataset

    renamed = []
    for item in inputs:
        facts = tuple(replace(one, dataset=name(one, item.info.name)) for one in item.facts)
        names = tuple(sorted({one.dataset for one in facts}))
        info = item.info.model_copy(update={"parts_of": names})
        renamed.append(replace(item, info=info, facts=facts))
    return renamed


def choose_videos(
    videos: Sequence[LabelledVideo],
    rows: dict[str, dict[str, str]],
    splits: Sequence[str],
    folder: Path,
) -> list[LabelledVideo]:
    """The videos of some splits; without any, those that nothing was learned from.

    Args:
        videos: All videos.
        rows: What is known about each, by id.
        splits: Values of the column `split`.
        folder: For messages.

    Raises:
        InvalidEvaluation: A split does not occur.
    """
    if not splits:
        return [v for v in videos if rows[v.id].get("split", "") not in _LEARNED_FROM]
    chosen = [video for video in videos if rows[video.id].get("split", "") in splits]
    present = sorted({row.get("split", "") for row in rows.values()} - {""})
    if missing := [split for split in splits if split not in present]:
        there = f"it has {', '.join(present)}" if present else "its metadata names none"
        raise InvalidEvaluation(f"{folder} has no split {', '.join(missing)}; {there}")
    return chosen


def _appearance(face: FaceClips, settings: VisionSettings) -> dict[str, str]:
    crops = face.load()
    middle = np.array(crops[len(crops) // 2])
    return {appearance.COLUMN: appearance.apparent_skin(middle, margin=settings.crop_margin)}


def _caution_about_splits(rows: dict[str, dict[str, str]]) -> str:
    return "" if any(row.get("split") for row in rows.values()) else _NO_SPLIT


def facts_of(video: LabelledVideo, row: dict[str, str], name: str) -> Facts:
    """What is known about a video, from its row and the name of its data set."""
    # Where nobody is named, the clips that a video is made of stand for the people in it.
    stated = row.get("identities") or row.get("person") or row.get("source") or ""
    identities = tuple(part.strip() for part in stated.split(_SEPARATOR) if part.strip())
    return Facts(
        dataset=video.dataset or row.get("dataset") or name,
        identities=identities or (video.group,),
        method=video.method or row.get("method", ""),
        columns=row,
    )
