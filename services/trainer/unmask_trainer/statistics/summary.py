"""What a surveyed data set is like, in numbers: counts, distributions, duplicates."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from unmask_trainer.statistics.inspection import VideoFacts
from unmask_trainer.statistics.selection import Dropped, FrameRange
from unmask_trainer.statistics.survey import SurveyedVideo

# What is measured of each video, None where it was not counted to its end.
QUANTITIES: Final[dict[str, Callable[[VideoFacts], float | None]]] = {
    "fps": lambda facts: facts.fps,
    "width": lambda facts: facts.width,
    "height": lambda facts: facts.height,
    "duration_s": lambda facts: facts.duration_s,
    "frames": lambda facts: facts.frames if facts.complete else None,
}
_PERCENTILES: Final = (0, 5, 25, 50, 75, 95, 100)


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The values of one quantity over `count` videos; percentiles are interpolated linearly."""

    count: int
    minimum: float
    p5: float
    p25: float
    median: float
    mean: float
    p75: float
    p95: float
    maximum: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A group of videos, or all of them.

    Attributes:
        files: How many files there are.
        readable: How many of them are videos that can be read.
        kept: How many have the wanted number of frames.
        dropped: How many were dropped for each reason.
        longer_than_counted: How many have more frames than were counted; they are in no
            distribution of frames or durations.
        misleading_headers: How many videos claim another number of frames than they have.
        partly_undecodable: How many have frames that cannot be decoded; None unless all were tried.
        bytes: Size of all files.
        seconds: Duration of the videos that were counted to their end.
        distributions: By the names of `QUANTITIES`; without those that no video has a value of.
        resolutions: Videos by `WIDTHxHEIGHT` as shown, the most frequent first.
        codecs: Videos by codec.
        containers: Videos by container.
        problems: Unreadable files by error code.
    """

    files: int
    readable: int
    kept: int
    dropped: dict[Dropped, int]
    longer_than_counted: int
    misleading_headers: int
    partly_undecodable: int | None
    bytes: int
    seconds: float
    distributions: dict[str, Distribution]
    resolutions: dict[str, int]
    codecs: dict[str, int]
    containers: dict[str, int]
    problems: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A survey with everything that is derived from it.

    Attributes:
        videos: What was found, in a stable order.
        wanted: Which numbers of frames are kept.
        groups: A summary for each group, by name.
        total: A summary of all videos.
        duplicates: Names of readable files with the same bytes, where digests were computed.
    """

    videos: tuple[SurveyedVideo, ...]
    wanted: FrameRange
    groups: dict[str, Summary]
    total: Summary
    duplicates: tuple[tuple[str, ...], ...]


def derive_statistics(videos: Sequence[SurveyedVideo], wanted: FrameRange) -> Statistics:
    """Sum up a survey."""
    return Statistics(
        videos=tuple(videos),
        wanted=wanted,
        groups={name: summarise(some, wanted) for name, some in by_group(videos).items()},
        total=summarise(videos, wanted),
        duplicates=_duplicates(videos),
    )


def summarise(videos: Sequence[SurveyedVideo], wanted: FrameRange) -> Summary:
    """Sum up some videos."""
    facts = [video.facts for video in videos if video.facts is not None]
    reasons = [wanted.why_dropped(video) for video in videos]
    undecoded = [found.usable_frames < found.frames for found in facts]
    tried = any(found.decoded_frames is not None for found in facts)
    return Summary(
        files=len(videos),
        readable=len(facts),
        kept=reasons.count(None),
        dropped={reason: reasons.count(reason) for reason in Dropped},
        longer_than_counted=sum(not found.complete for found in facts),
        misleading_headers=sum(_misleads(found) for found in facts),
        partly_undecodable=sum(undecoded) if tried else None,
        bytes=sum(video.bytes or 0 for video in videos),
        seconds=sum(found.duration_s or 0.0 for found in facts),
        distributions={
            name: describe(values) for name in QUANTITIES if (values := values_of(name, videos))
        },
        resolutions=_frequencies([f"{found.width}x{found.height}" for found in facts]),
        codecs=_frequencies([found.codec for found in facts]),
        containers=_frequencies([found.container for found in facts]),
        problems=_frequencies([video.problem.code for video in videos if video.problem]),
    )


def by_group(videos: Sequence[SurveyedVideo]) -> dict[str, list[SurveyedVideo]]:
    """The videos of each group, groups by name."""
    groups: dict[str, list[SurveyedVideo]] = defaultdict(list)
    for video in videos:
        groups[video.file.group].append(video)
    return dict(sorted(groups.items()))


def values_of(quantity: str, videos: Sequence[SurveyedVideo]) -> list[float]:
    """The known values of one of `QUANTITIES`."""
    measure = QUANTITIES[quantity]
    values = [measure(video.facts) for video in videos if video.facts is not None]
    return [value for value in values if value is not None]


def describe(values: Sequence[float]) -> Distribution:
    """Describe at least one value."""
    minimum, p5, p25, median, p75, p95, maximum = np.percentile(values, _PERCENTILES).tolist()
    return Distribution(
        count=len(values),
        minimum=minimum,
        p5=p5,
        p25=p25,
        median=median,
        mean=float(np.mean(values)),
        p75=p75,
        p95=p95,
        maximum=maximum,
    )


def _duplicates(videos: Sequence[SurveyedVideo]) -> tuple[tuple[str, ...], ...]:
    same: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        if video.facts is not None and video.facts.sha256 is not None:
            same[video.facts.sha256].append(video.file.name)
    return tuple(tuple(names) for names in same.values() if len(names) > 1)


def _misleads(facts: VideoFacts) -> bool:
    claimed = facts.header.frames
    if claimed is None:
        return False
    return claimed != facts.frames if facts.complete else claimed <= facts.frames


def _frequencies(values: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
