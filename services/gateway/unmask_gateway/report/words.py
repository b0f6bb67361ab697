"""Numbers and verdicts in plain words."""

from typing import Final

from unmask_shared.videos import Reason, Result, Verdict

# One that no line breaks at.
_SPACE: Final = "\u00a0"

_VERDICTS: Final = {
    Verdict.FAKE: ("This video looks forged", "At least one face shows traces of manipulation."),
    Verdict.REAL: ("No forgery was found", "No face shows the traces that the model knows."),
}
_REASONS: Final = {
    Reason.FACES_TOO_SMALL: (
        "The faces are too small",
        "They fill too few pixels to be judged. A larger version of the video may help.",
    ),
    Reason.FACES_TOO_BLURRED: (
        "The faces are too blurred",
        "They show too little detail to be judged. A sharper version of the video may help.",
    ),
    Reason.TOO_LITTLE_USABLE: (
        "Too little can be judged",
        "Too few pictures of the video show a face well enough, or too few could be decoded.",
    ),
    Reason.SCORE_IN_BAND: (
        "Unmask cannot tell",
        "The traces are neither clear enough for a forgery nor against it.",
    ),
    Reason.NO_FACE_FOUND: (
        "No face was found",
        "Unmask judges faces, and found none in this video.",
    ),
    Reason.NO_FULL_FRAME_MODEL: (
        "Nothing was judged",
        "The model judges faces, not whole pictures.",
    ),
    Reason.NO_FACE_MODEL: (
        "Nothing was judged",
        "The model judges whole pictures, not faces.",
    ),
}
_NOT_JUDGED: Final = {
    Reason.FACES_TOO_SMALL: "too small",
    Reason.FACES_TOO_BLURRED: "too blurred",
    Reason.TOO_LITTLE_USABLE: "seen well for too short",
}


def verdict_in_words(result: Result) -> tuple[str, str]:
    """A headline and a sentence."""
    if result.reason is not None:
        return _REASONS[result.reason]
    return _VERDICTS[result.verdict]


def why_not_judged(reason: Reason | None) -> str:
    """Why a face or a stretch of time has no probability."""
    why = _NOT_JUDGED.get(reason) if reason else None
    return f"not judged: {why}" if why else "not judged"


def percent(fraction: float) -> str:
    """A fraction as a percentage, never more certain than it is."""
    if 0 < fraction < 0.005:
        return f"under 1{_SPACE}%"
    if 0.995 <= fraction < 1:
        return f"over 99{_SPACE}%"
    return f"{fraction * 100:.0f}{_SPACE}%"


def clock(seconds: float) -> str:
    """A time in the video, as minutes and seconds with tenths."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"


def file_size(count: int) -> str:
    """A number of bytes in the largest fitting unit."""
    size, units = float(count), ["bytes", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return (
        f"{size:.0f} {units[0]}" if units[0] == "bytes" or size >= 10 else f"{size:.1f} {units[0]}"
    )
