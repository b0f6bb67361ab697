"""What one job may use."""

import resource
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

_MIB: Final = 1024 * 1024
_STATM: Final = Path("/proc/self/statm")
# The file, the pipe, three standard streams, and what FFmpeg duplicates.
_OPEN_FILES: Final = 16


@dataclass(frozen=True, kw_only=True)
class SandboxLimits:
    """What one job may use.

    Attributes:
        memory_bytes: Address space beyond that of the process it is forked from. Every thread
            takes 8 MiB of it for its stack.
        cpu_s: Processor time of all threads together, in whole seconds.
        wall_s: Time from the start of the job to the end of its answer, in seconds.
        result_bytes: Length of the result.

    Raises:
        ValueError: A limit is not above zero.
    """

    memory_bytes: int = 1024 * _MIB
    cpu_s: int = 1200
    wall_s: float = 1500.0
    result_bytes: int = 256 * _MIB

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"{field.name} is {value}, but must be above zero")


def enforce_limits(*, memory_bytes: int, cpu_s: int) -> None:
    """Limit what this process may use from now on; there is no way back.

    Memory is only limited on Linux. Nothing can be written to files, and no core is dumped.
    """
    if sys.platform == "linux":
        in_use = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, in_use + memory_bytes)
    # SIGXCPU comes first and tells the reason; a process that blocks it is killed a second later.
    _limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    _, ceiling = resource.getrlimit(kind)
    wanted = (soft, soft if hard is None else hard)
    if ceiling != resource.RLIM_INFINITY:  # whoever started us was stricter
        wanted = (min(wanted[0], ceiling), min(wanted[1], ceiling))
    resource.setrlimit(kind, wanted)
