"""Outcomes in words."""

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from unmask_client.models import Face, Failure, FileAnalysis, Result, Segment, Verdict, Video
from unmask_client.operations import printable

STYLES: Final = {
    Verdict.REAL: "bold green",
    Verdict.FAKE: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
}
_REASONS: Final = {
    "no_face_found": "no face was found",
    "no_face_model": "the checkpoint judges whole pictures, not faces",
    "no_full_frame_model": "the checkpoint judges faces, not whole pictures",
    "faces_too_small": "too small to be judged",
    "faces_too_blurred": "too blurred to be judged",
    "too_little_usable": "too little can be used",
    "score_in_band": "the score lies between the thresholds of real and fake",
}


def describe(outcome: Video | FileAnalysis) -> Text:
    """A video that has ended, or where it stands, in a few lines."""
    name = outcome.file if isinstance(outcome, FileAnalysis) else outcome.source.filename
    text = Text(f"{printable(name)}  ")
    if outcome.result is not None:
        _add_verdict(text, outcome.result)
    elif outcome.failure is not None:
        _add_failure(text, outcome.failure)
    elif isinstance(outcome, Video) and not outcome.status.is_final:
        text.append(f"{outcome.status.value} {outcome.progress:.0%}")
    else:
        text.append(outcome.status.value, style="bold yellow")
    if isinstance(outcome, Video):
        text.append(f"\n  id {outcome.id}", style="dim")
    if outcome.result is not None and outcome.model is not None:
        text.append(f"\n  model {outcome.model}", style="dim")
    return text


def in_words(reason: str) -> str:
    """A reason of the API; new ones as they are."""
    return _REASONS.get(reason, reason)


def _add_verdict(text: Text, result: Result) -> None:
    text.append(result.verdict.value.upper(), style=STYLES[result.verdict])
    if result.fake_probability is not None:
        text.append(f"  fake probability {result.fake_probability:.2f}")
    if result.reason is not None:
        text.append(f"  ({in_words(result.reason)})")
    for line in _lines_of(result):
        text.append(f"\n  {line}")


def _add_failure(text: Text, failure: Failure) -> None:
    text.append("FAILED", style="bold red")
    text.append(f"  {failure.title}: {failure.detail}\n  {failure.action}")


def _lines_of(result: Result) -> Iterator[str]:
    for face in result.faces:
        yield (
            f"face {face.track_id}: {_score(face)} from {face.start_s:.1f} s to {face.end_s:.1f} s"
        )
        worst = _most_suspicious(face)
        if worst is not None and len(face.segments) > 1:
            yield f"  most suspicious: {_score(worst)} at {worst.start_s:.1f} s"


def _most_suspicious(face: Face) -> Segment | None:
    judged = [one for one in face.segments if one.fake_probability is not None]
    return max(judged, key=lambda one: one.fake_probability or 0.0, default=None)


def _score(part: Face | Segment) -> str:
    if part.fake_probability is None:
        return f"not judged ({in_words(part.reason or 'unknown')})"
    return f"{part.fake_probability:.2f}"
