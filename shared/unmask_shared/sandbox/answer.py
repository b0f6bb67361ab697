"""Listening to a job: what it says is checked as it comes."""

import logging
import math
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from unmask_shared.errors import UnmaskError
from unmask_shared.sandbox.control import JobEnd
from unmask_shared.sandbox.errors import ProtocolViolation
from unmask_shared.sandbox.job import JobExit
from unmask_shared.sandbox.limits import SandboxLimits
from unmask_shared.sandbox.verdict import (
    broke_protocol,
    error_about_video,
    error_of_end,
    too_long,
    too_much_result,
)
from unmask_shared.sandbox.wire import (
    FrameReader,
    JobFrame,
    decode_error,
    decode_progress,
    decode_text,
)

_log = logging.getLogger(__name__)

_READ_BYTES: Final = 64 * 1024
# A job may report as often as it likes; the caller hears of steps, so of at most this many.
_PROGRESS_STEPS: Final = 20_000

ReportProgress = Callable[[float], None]
TakeResult = Callable[[bytes], None]


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """What a job gave and what it took.

    Attributes:
        data: What the job function answered, unless somebody took it as it came. It is as
            trustworthy as the input file.
        cpu_s: Processor time, in seconds.
        peak_rss_bytes: The most memory that the job held, with what it shares with its zygote.
    """

    data: bytearray
    cpu_s: float
    peak_rss_bytes: int


class Answer:
    """What a job says, checked as it comes."""

    def __init__(
        self, limits: SandboxLimits, on_progress: ReportProgress, on_result: TakeResult | None
    ) -> None:
        self._limits = limits
        self._on_progress = on_progress
        self._frames = FrameReader()
        self._result = bytearray()
        self._take_result = on_result or self._result.extend
        self._result_bytes = 0
        self._fraction = 0.0
        self._told: float | None = None
        self._error: UnmaskError | None = None
        self._ended = False

    def listen(self, reader: int, deadline: float) -> None:
        """Take frames until the job closes the pipe.

        Raises:
            VideoTooDemanding: It did not in time, or the result is too long.
            DecoderCrashed: It does not follow the protocol.
        """
        ready = select.poll()
        ready.register(reader, select.POLLIN)
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise too_long(self._limits)
            if not ready.poll(math.ceil(left_s * 1000)):
                continue
            data = os.read(reader, _READ_BYTES)
            if not data:
                return
            try:
                for kind, payload in self._frames.feed(data):
                    self._take(kind, payload)
            except ProtocolViolation as violation:
                raise broke_protocol(violation) from violation

    def _take(self, kind: JobFrame, payload: bytes) -> None:
        if self._ended:
            raise ProtocolViolation("a frame after its last one")
        match kind:
            case JobFrame.PROGRESS:
                self._advance(decode_progress(payload, at_least=self._fraction))
            case JobFrame.RESULT:
                self._result_bytes += len(payload)
                if self._result_bytes > self._limits.result_bytes:
                    raise too_much_result(self._limits)
                self._take_result(payload)
            case JobFrame.ERROR:
                self._ended = True
                self._error = error_about_video(*decode_error(payload))
            case JobFrame.TRACEBACK:
                self._ended = True
                _log.error("a job in the sandbox failed:\n%s", decode_text(payload))

    def _advance(self, fraction: float) -> None:
        self._fraction = fraction
        step = math.floor(fraction * _PROGRESS_STEPS)
        if step != self._told:
            self._told = step
            self._on_progress(fraction)

    def conclude(self, end: JobEnd) -> SandboxResult:
        """The result of a job that is gone.

        Raises:
            UnmaskError: There is none because of the video.
            SandboxFailure: There is none for another reason.
        """
        if end.exit_code == JobExit.REFUSED and self._error is not None:
            raise self._error
        if end.exit_code != JobExit.DONE:
            raise error_of_end(end, self._limits)
        if self._ended or not self._frames.between_frames:
            raise broke_protocol(ProtocolViolation("an answer that breaks off"))
        return SandboxResult(data=self._result, cpu_s=end.cpu_s, peak_rss_bytes=end.peak_rss_bytes)
