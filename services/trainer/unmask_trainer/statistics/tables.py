"""The statistics of a data set as files for people and programs."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from unmask_trainer.statistics.inspection import VideoFacts
from unmask_trainer.statistics.selection import FrameRange
from unmask_trainer.statistics.summary import Statistics
from unmask_trainer.statistics.survey import SurveyedVideo

VIDEOS_FILE: Final = "videos.csv"
SUMMARY_FILE: Final = "statistics.json"
KEPT_FILE: Final = "kept.txt"
COLUMNS: Final = (
    *("file", "group", "status", "kept", "dropped_because", "container", "codec", "fps"),
    *("width", "height", "duration_s", "frames", "decoded_frames", "header_frames", "header_fps"),
    *("header_duration_s", "bytes", "bits_per_s", "sha256", "error_code", "error"),
)


def write_tables(statistics: Statistics, folder: Path) -> None:
    """Write `videos.csv`, `statistics.json` and `kept.txt`.

    Args:
        statistics: What to write.
        folder: Created when missing; files of these names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row_of(video, statistics.wanted) for video in statistics.videos]
    _write(folder / VIDEOS_FILE, rows)
    kept = [f"{row['file']}\n" for row in rows if row["kept"] == "yes"]
    # File names are bytes on Linux; those that are not UTF-8 are written as they are.
    (folder / KEPT_FILE).write_text("".join(kept), encoding="utf-8", errors="surrogateescape")
    document = {
        "wanted_frames": asdict(statistics.wanted),
        "total": asdict(statistics.total),
        "groups": {name: asdict(summary) for name, summary in statistics.groups.items()},
        "duplicates": statistics.duplicates,
    }
    (folder / SUMMARY_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def row_of(video: SurveyedVideo, wanted: FrameRange) -> dict[str, str]:
    """A video's row, by the names of `COLUMNS`; what is not known is empty.

    `frames` is `>N` where counting stopped after N frames.
    """
    dropped = wanted.why_dropped(video)
    row = dict.fromkeys(COLUMNS, "") | {
        "file": video.file.name,
        "group": video.file.group,
        "status": "ok" if video.problem is None else "corrupt",
        "kept": "yes" if dropped is None else "no",
        "dropped_because": dropped or "",
        "bytes": _text(video.bytes),
    }
    if video.facts is not None:
        row |= _columns_of(video.facts, video.bytes)
    if video.problem is not None:
        row |= {"error_code": video.problem.code, "error": video.problem.detail}
    return row


def _columns_of(facts: VideoFacts, size: int | None) -> dict[str, str]:
    duration = facts.duration_s
    rate = round(8 * size / duration) if size is not None and duration else None
    return {
        "container": facts.container,
        "codec": facts.codec,
        "fps": _text(facts.fps),
        "width": _text(facts.width),
        "height": _text(facts.height),
        "duration_s": _text(duration),
        "frames": str(facts.frames) if facts.complete else f">{facts.frames}",
        "decoded_frames": _text(facts.decoded_frames),
        "header_frames": _text(facts.header.frames),
        "header_fps": _text(facts.header.fps),
        "header_duration_s": _text(facts.header.duration_s),
        "bits_per_s": _text(rate),
        "sha256": facts.sha256 or "",
    }


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
