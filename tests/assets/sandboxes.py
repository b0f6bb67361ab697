"""Sandboxes for tests, with the job functions of `sandbox_jobs`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from unmask_shared.sandbox import Sandbox, SandboxLimits, SandboxResult, SyscallFilter

MIB = 1024 * 1024
CONTENT = b"the content of the file"


class Jobs:
    """A sandbox, with a file for it to read."""

    def __init__(self, sandbox: Sandbox, path: Path) -> None:
        self.sandbox = sandbox
        self._path = path
        self._path.write_bytes(CONTENT)

    def run(self, name: str, argument: str = "", **options: Any) -> SandboxResult:
        return self.sandbox.run(self._path, f"{name} {argument}".encode(), **options)

    def assert_alive(self) -> None:
        assert self.run("echo", "!").data == CONTENT + b"!"

    @property
    def zygote(self) -> psutil.Process:
        (zygote,) = (
            child
            for child in psutil.Process().children()
            if "unmask_shared.sandbox.zygote" in child.cmdline()
        )
        return zygote


@contextmanager
def jobs(
    folder: Path,
    *,
    factory: str = "sandbox_jobs:make",
    syscall_filter: SyscallFilter | None = None,
    **limits: Any,
) -> Iterator[Jobs]:
    """A sandbox with short limits, and the test's job functions."""
    short = {"memory_bytes": 200 * MIB, "cpu_s": 5, "wall_s": 20.0, "result_bytes": 2 * MIB}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        with Sandbox(
            factory, limits=SandboxLimits(**short | limits), syscall_filter=syscall_filter
        ) as sandbox:
            yield Jobs(sandbox, folder / "input")
