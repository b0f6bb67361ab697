"""What the rest of Unmask sees of all this: jobs go in, results and typed errors come out."""

import logging
import os
import threading
import time
from pathlib import Path

from unmask_shared.closing import Closing
from unmask_shared.sandbox.answer import Answer, ReportProgress, SandboxResult, TakeResult
from unmask_shared.sandbox.control import JobEnd, JobOrder
from unmask_shared.sandbox.limits import SandboxLimits
from unmask_shared.sandbox.seccomp import SyscallFilter, default_filter
from unmask_shared.sandbox.zygote_process import ZygoteGone, ZygoteProcess

_log = logging.getLogger(__name__)


def _ignore(_fraction: float) -> None:
    pass


class Sandbox(Closing):
    """Runs jobs on files from strangers, one at a time.

    The process that jobs are forked from starts with the first job, and again after it died.
    Threads may share a sandbox and then wait for each other; a fork of the process that built it
    starts its own.

    Args:
        factory: `MODULE:NAME` of the function that makes the job function; see `Serve`. It should
            load all that jobs need, also what is imported late, since they cannot open files.
        argument: What the factory is called with; by default, nothing.
        limits: What each job may use.
        syscall_filter: What to do where system calls cannot be filtered; by default, `required` on
            Linux and `best-effort` elsewhere.
    """

    def __init__(
        self,
        factory: str,
        *,
        argument: str | None = None,
        limits: SandboxLimits,
        syscall_filter: SyscallFilter | None = None,
    ) -> None:
        self._factory = factory
        self._argument = argument
        self._limits = limits
        self._filter = syscall_filter or default_filter()
        self._zygote: ZygoteProcess | None = None
        self._one_at_a_time = threading.Lock()
        self._warned = False

    def start(self) -> None:
        """Load now what jobs need, not with the first job.

        Raises:
            SandboxUnavailable: Loading failed, or there is no system call filter.
        """
        with self._one_at_a_time:
            self._running_zygote()

    def run(
        self,
        path: Path,
        request: bytes = b"",
        on_progress: ReportProgress = _ignore,
        on_result: TakeResult | None = None,
    ) -> SandboxResult:
        """Run a job to its end.

        Args:
            path: The file that the job may read.
            request: What the job function gets beside it.
            on_progress: Called with the fraction done, in [0, 1], which only grows. What it raises
                ends the job.
            on_result: Called with the result in parts, as they come, instead of keeping it. A job
                that fails may have sent some. What it raises ends the job.

        Raises:
            UnreadableVideo: Or a subclass, or `NotAVideo`: the job function raised it.
            VideoTooDemanding: The job reached a limit, which the detail names.
            DecoderCrashed: The job died, or sent what makes no sense.
            SandboxFailure: The job function has a bug, or the zygote died with the job.
            SandboxUnavailable: The zygote does not start.
        """
        # Without a buffer, so that jobs start to read where the file starts.
        with self._one_at_a_time, path.open("rb", buffering=0) as file:
            reader, writer = os.pipe()
            try:
                try:
                    zygote = self._start_job(request, file.fileno(), writer)
                finally:
                    os.close(writer)
                deadline = time.monotonic() + self._limits.wall_s
                answer = Answer(self._limits, on_progress, on_result)
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
            zygote = self._zygote = ZygoteProcess(self._factory, self._argument, self._filter)
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
