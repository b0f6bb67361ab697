"""What the rest of Unmask sees of all this: jobs go in, results and typed errors come out."""

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from unmask_shared.errors import UnmaskError
from unmask_shared.sandbox.control import JobEnd, JobOrder
from unmask_shared.sandbox.errors import ProtocolViolation
from unmask_shared.sandbox.job import JobExit
from unmask_shared.sandbox.limits import SandboxLimits
from unmask_shared.sandbox.seccomp import SyscallFilter, default_filter
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
from unmask_shared.sandbox.zygote_process import ZygoteGone, ZygoteProcess

_log = logging.getLogger(__name__)

_READ_BYTES: Final = 256 * 1024
# A job may report as often as it likes; the caller hears of steps, so of at most this many.
_PROGRESS_STEPS: Final = 1000

ReportProgress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """What a job gave and what it took.

    Attributes:
        data: What the job function answered. It is as trustworthy as the input file.
        cpu_s: Processor time, in seconds.
        peak_rss_bytes: The most memory that the job held, with what it shares with its zygote.
    """

    data: bytes
    cpu_s: float
    peak_rss_bytes: int


def _ignore(_fraction: float) -> None:
    pass


class Sandbox:
    """Runs jobs on files from strangers, one at a time.

    The process that jobs are forked from starts with the first job, and again after it died.
    Threads may share a sandbox and then wait for each other; a fork of the process that built it
    starts its own.

    Args:
        factory: `MODULE:NAME` of the function that makes the job function; see `Serve`. It should
            load all that jobs need, also what is imported late, since they cannot open files.
        limits: What each job may use.
        syscall_filter: What to do where system calls cannot be filtered; by default, `required` on
            Linux and `best-effort` elsewhere.
    """

    def __init__(
        self,
        factory: str,
        *,
        limits: SandboxLimits,
        syscall_filter: SyscallFilter | None = None,
    ) -> None:
        self._factory = factory
        self._limits = limits
        self._filter = syscall_filter or default_filter()
        self._zygote: ZygoteProcess | None = None
        self._one_at_a_time = threading.Lock()
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Load now what jobs need, not with the first job.

        Raises:
            SandboxUnavailable: Loading failed, or there is no system call filter.
        """
        with self._one_at_a_time:
            self._running_zygote()

    def run(
        self, path: Path, request: bytes = b"", on_progress: ReportProgress = _ignore
    ) -> SandboxResult:
        """Run a job to its end.

        Args:
            path: The file that the job may read.
            request: What the job function gets beside it.
            on_progress: Called with the fraction done, in [0, 1], which only grows. What it raises
                ends the job.

        Raises:
            UnreadableVideo: Or a subclass, or `NotAVideo`: the job function raised it.
            VideoTooDemanding: The job reached a limit, which the detail names.
            DecoderCrashed: The job died, or sent what makes no sense.
            SandboxFailure: The job function has a bug, or the zygote died with the job.
            SandboxUnavailable: The zygote does not start.
        """
        # Without a buffer, so that jobs start to read where the file starts.
        with self._one_at_a_time, path.open("rb", buffering=0) as file:
            deadline = time.monotonic() + self._limits.wall_s
            reader, writer = os.pipe()
            try:
                try:
                    zygote = self._start_job(request, file.fileno(), writer)
                finally:
                    os.close(writer)
                answer = _Answer(self._limits, on_progress)
                try:
                    answer.listen(reader, deadline)
                finally:
                    end = self._end_job(zygote)
            finally:
                os.close(reader)
        return answer.conclude(end)

    def close(self) -> None:
        """End the zygote; another job would start it again."""
        with self._one_at_a_time:
            self._drop_zygote()

    def _start_job(self, request: bytes, input_fd: int, reply_fd: int) -> ZygoteProcess:
        order = JobOrder(
            request=request,
            memory_bytes=self._limits.memory_bytes,
            cpu_s=self._limits.cpu_s,
        )
        zygote = self._running_zygote()
        try:
            zygote.start_job(order, input_fd=input_fd, reply_fd=reply_fd)
        except ZygoteGone:
            _log.warning("the zygote of %s died between jobs and is started again", self._factory)
            self._drop_zygote()
            zygote = self._running_zygote()
            zygote.start_job(order, input_fd=input_fd, reply_fd=reply_fd)
        return zygote

    def _end_job(self, zygote: ZygoteProcess) -> JobEnd:
        try:
            return zygote.end_job()
        except ZygoteGone:
            self._drop_zygote()
            raise

    def _running_zygote(self) -> ZygoteProcess:
        zygote = self._zygote
        if zygote is not None and zygote.owner != os.getpid():
            zygote.disown()
            zygote = None
        if zygote is not None and not zygote.alive:
            self._drop_zygote()
            zygote = None
        if zygote is None:
            zygote = self._zygote = ZygoteProcess(self._factory, self._filter)
            self._warn_of_missing_filter(zygote)
        return zygote

    def _drop_zygote(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote is None:
            return
        if zygote.owner == os.getpid():
            zygote.close()
        else:
            zygote.disown()

    def _warn_of_missing_filter(self, zygote: ZygoteProcess) -> None:
        if zygote.filter_missing and not self._warned:
            self._warned = True
            _log.warning(
                "videos are decoded without a system call filter, which would keep a decoder that "
                "was taken over away from files and the network: %s",
                zygote.filter_missing,
            )


class _Answer:
    """What a job says, checked as it comes."""

    def __init__(self, limits: SandboxLimits, on_progress: ReportProgress) -> None:
        self._limits = limits
        self._on_progress = on_progress
        self._frames = FrameReader()
        self._chunks: list[bytes] = []
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
                self._chunks.append(payload)
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
        return SandboxResult(
            data=b"".join(self._chunks), cpu_s=end.cpu_s, peak_rss_bytes=end.peak_rss_bytes
        )
