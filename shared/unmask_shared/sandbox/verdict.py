"""From the way a job ended to the error that says why."""

import signal
from collections.abc import Iterator
from typing import Final

from unmask_shared.errors import (
    DecoderCrashed,
    DecoderKilled,
    NotAVideo,
    UnmaskError,
    UnreadableVideo,
    VideoTooDemanding,
)
from unmask_shared.sandbox.control import JobEnd
from unmask_shared.sandbox.errors import ProtocolViolation, SandboxFailure
from unmask_shared.sandbox.job import JobExit
from unmask_shared.sandbox.limits import SandboxLimits

_MIB: Final = 1024 * 1024
# A process that blocks SIGXCPU is killed a second later; clocks are not that exact.
_CPU_TOLERANCE: Final = 0.95


def error_about_video(code: str, detail: str) -> UnmaskError:
    """The error that a job has named.

    Raises:
        ProtocolViolation: No error about videos has this code.
    """
    for kind in _family(NotAVideo, UnreadableVideo):
        if kind.code == code:
            return kind(detail)
    raise ProtocolViolation("an error with an unknown code")


def _family(*roots: type[UnmaskError]) -> Iterator[type[UnmaskError]]:
    for root in roots:
        yield root
        yield from _family(*root.__subclasses__())


def broke_protocol(violation: ProtocolViolation) -> DecoderCrashed:
    """The error for a job that is no longer itself."""
    return DecoderCrashed(f"The decoder went out of control: it sent {violation}.")


def too_long(limits: SandboxLimits) -> VideoTooDemanding:
    """The error for a job that had to be killed after its time."""
    return VideoTooDemanding(
        f"Decoding took longer than {limits.wall_s:g} s, the limit of this installation."
    )


def too_much_result(limits: SandboxLimits) -> VideoTooDemanding:
    """The error for a job with a result beyond its limit."""
    return VideoTooDemanding(
        f"Decoding gave more than {limits.result_bytes / _MIB:g} MiB of faces, the limit of this "
        "installation."
    )


def error_of_end(end: JobEnd, limits: SandboxLimits) -> Exception:
    """The error for a job that ended without having said why, and not with success."""
    code = end.exit_code
    match code:
        case JobExit.FAILED | JobExit.REFUSED | JobExit.DONE:
            return SandboxFailure(f"the job failed with exit code {code}; the log has more")
        case JobExit.OUT_OF_MEMORY:
            return _too_much_memory(limits)
        case _ if code == -signal.SIGXCPU or _was_killed_for_cpu(end, limits):
            return _too_much_cpu(limits)
        case _ if code == -signal.SIGKILL:
            return DecoderKilled(
                "The decoder was killed, as the kernel does when the machine has no more memory."
            )
    return DecoderCrashed(f"The decoder crashed on this video ({_name_end(code)}).")


def _name_end(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    return signal.strsignal(-exit_code) or f"signal {-exit_code}"


def _was_killed_for_cpu(end: JobEnd, limits: SandboxLimits) -> bool:
    return end.exit_code == -signal.SIGKILL and end.cpu_s >= limits.cpu_s * _CPU_TOLERANCE


def _too_much_cpu(limits: SandboxLimits) -> VideoTooDemanding:
    return VideoTooDemanding(
        f"Decoding needs more than {limits.cpu_s} s of processor time, the limit of this "
        "installation."
    )


def _too_much_memory(limits: SandboxLimits) -> VideoTooDemanding:
    return VideoTooDemanding(
        f"Decoding needs more than {limits.memory_bytes / _MIB:g} MiB of memory, the limit of this "
        "installation."
    )
