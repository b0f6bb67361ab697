"""What the command tells scripts; docs/client.md has the table."""

from collections.abc import Iterable
from enum import IntEnum

from unmask_client.models import FileAnalysis, Status, Verdict, Video


class ExitCode(IntEnum):
    """The exit status of `unmask`; 0 means that nothing needs attention."""

    OK = 0
    """Done; of commands that judge: every video is real."""
    ERROR = 1
    """Something could not be asked or done; the text on standard error says what to do."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    FAKE = 3
    """At least one video is fake."""
    INCONCLUSIVE = 4
    """At least one video could not be judged either way."""
    FAILED = 5
    """At least one video could not be analysed, or was cancelled."""
    UNFINISHED = 6
    """At least one video is still being processed."""
    INTERRUPTED = 130
    """Ctrl-C."""


# What a script must not miss comes first.
_PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.FAKE,
    ExitCode.ERROR,
    ExitCode.FAILED,
    ExitCode.UNFINISHED,
    ExitCode.INCONCLUSIVE,
)
_OF_VERDICTS = {
    Verdict.REAL: ExitCode.OK,
    Verdict.FAKE: ExitCode.FAKE,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


def exit_code_of(outcome: Video | FileAnalysis) -> ExitCode:
    """What one video means for scripts."""
    if outcome.result is not None:
        return _OF_VERDICTS[outcome.result.verdict]
    if outcome.status in {Status.FAILED, Status.CANCELLED}:
        return ExitCode.FAILED
    return ExitCode.UNFINISHED


def joined(codes: Iterable[ExitCode]) -> ExitCode:
    """The code of several outcomes: the one that matters most."""
    found = set(codes)
    return next((code for code in _PRECEDENCE if code in found), ExitCode.OK)
