"""The Markdown tables of the comparison of face detectors."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from detector_boxes import Boxes, intersection_over_union
from detector_candidates import Candidate
from detector_truth import Face

TAGS = ("small", "profile", "dark", "blurred")
HARDENED = ("shrunk", "darkened", "smeared")
_RECALLS = ("recall", *TAGS)
_REST = ("false/100", "IoU", "ms")
_MATCH = 0.5
_TOUCH = 0.3
_FEW_FALSE_ALARMS = 1.0
_LARGE_FRAME = 960


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A detector and the longer side of what it searches."""

    candidate: Candidate
    side: int | None

    @property
    def name(self) -> str:
        return f"{self.candidate.name} | {self.side or 'fixed'}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one search found, as squares in pixels of a frame of this `(height, width)`."""

    image: tuple[int, int]
    boxes: Boxes
    faces: Sequence[Face]
    ms: float


Findings = dict[str, dict[Setup, list[Finding]]]


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a setup did at one threshold.

    Attributes:
        hits: For each face asked for, its IoU with the best box, or 0; and its tags.
        false_alarms: Boxes on no face, for 100 searches.
    """

    threshold: float
    hits: list[tuple[float, frozenset[str]]]
    false_alarms: float

    def recall(self, tag: str | None = None) -> float:
        """Share of the faces (with this tag) that are found; NaN if there are none."""
        asked = [overlap for overlap, tags in self.hits if tag is None or tag in tags]
        return sum(overlap >= _MATCH for overlap in asked) / len(asked) if asked else float("nan")

    def overlap(self) -> float:
        """Median IoU of the faces found."""
        found = [overlap for overlap, _ in self.hits if overlap >= _MATCH]
        return statistics.median(found) if found else float("nan")


def score(findings: Iterable[Finding], threshold: float) -> Score:
    """Hold boxes with at least this score against the faces that are there."""
    hits, alarms, searches = [], 0, 0
    for finding in findings:
        searches += 1
        boxes = finding.boxes[finding.boxes[:, 4] >= threshold]
        overlaps = np.array(
            [[intersection_over_union(face.box, box) for box in boxes] for face in finding.faces]
        ).reshape(len(finding.faces), len(boxes))
        for face, row in zip(finding.faces, overlaps, strict=True):
            if not face.ignored:
                hits.append((float(row.max(initial=0)), face.tags))
        alarms += int((overlaps.max(axis=0, initial=0) < _TOUCH).sum())
    return Score(threshold=threshold, hits=hits, false_alarms=100 * alarms / max(searches, 1))


def best_score(findings: Sequence[Finding], thresholds: Sequence[float]) -> Score:
    """The lowest threshold with at most one false alarm in 100 searches, or else the highest."""
    scores = [score(findings, threshold) for threshold in sorted(thresholds)]
    return next((one for one in scores if one.false_alarms <= _FEW_FALSE_ALARMS), scores[-1])


def milliseconds(findings: Sequence[Finding]) -> float:
    """Median time of a search, in frames of a common size where there are any."""
    large = [one.ms for one in findings if max(one.image) >= _LARGE_FRAME]
    return statistics.median(large or [one.ms for one in findings])


def print_report(findings: Findings, *, every_threshold: bool) -> None:
    """Print a table of whole frames and one of windows."""
    frames = findings["frame"]
    first = next(iter(frames.values()))
    asked = score(first, -np.inf).hits
    counts = {tag: sum(tag in tags for _, tags in asked) for tag in TAGS}
    print(f"{len(first)} frames, {len(asked)} faces, of them {counts}\n")
    _print_head([*_RECALLS, *HARDENED, *_REST])
    for setup, searches in frames.items():
        for one in _scores(searches, setup, every_threshold=every_threshold):
            hardened = [
                score(findings.get(kind, {}).get(setup, []), one.threshold).recall()
                for kind in HARDENED
            ]
            recalls = [one.recall(), *(one.recall(tag) for tag in TAGS), *hardened]
            _print_row(setup, one, recalls, milliseconds(searches))
    print("\nWindows of twice a known face, off by up to 15 % in place and size:\n")
    _print_head([*_RECALLS, *_REST])
    for setup, searches in findings["window"].items():
        for one in _scores(searches, setup, every_threshold=every_threshold):
            recalls = [one.recall(), *(one.recall(tag) for tag in TAGS)]
            _print_row(setup, one, recalls, statistics.median(search.ms for search in searches))


def _scores(searches: Sequence[Finding], setup: Setup, *, every_threshold: bool) -> list[Score]:
    thresholds = setup.candidate.thresholds
    if every_threshold:
        return [score(searches, threshold) for threshold in thresholds]
    return [best_score(searches, thresholds)]


def _print_head(columns: Sequence[str]) -> None:
    print(f"| detector | side | score | {' | '.join(columns)} |")
    print("|---|--:|" + "--:|" * (len(columns) + 1))


def _print_row(setup: Setup, one: Score, recalls: Sequence[float], ms: float) -> None:
    shares = " | ".join("" if np.isnan(share) else f"{100 * share:.1f}" for share in recalls)
    print(
        f"| {setup.name} | {one.threshold:g} | {shares} | {one.false_alarms:.1f} "
        f"| {one.overlap():.2f} | {ms:.1f} |"
    )
