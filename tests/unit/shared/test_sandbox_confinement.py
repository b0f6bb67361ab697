"""What a decoder that was taken over could do: nothing but read its file and answer."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_jobs import ATTEMPTS
from sandboxes import Jobs, jobs

from unmask_shared.errors import SandboxUnavailable, VideoTooDemanding

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no seccomp")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_S3_SECRET_KEY", "a-secret")
        with jobs(tmp_path_factory.mktemp("sandbox")) as made:
            made.assert_alive()
            yield made


@linux_only
@pytest.mark.parametrize("what", [name for name in ATTEMPTS if name != "write to the input"])
def test_it_may_not(sandbox: Jobs, what: str) -> None:
    refusal = "ValueError" if what == "raise a limit" else "PermissionError"
    assert sandbox.run("attempt", what).data.decode() == refusal


def test_the_input_is_only_for_reading(sandbox: Jobs) -> None:
    assert sandbox.run("attempt", "write to the input").data == b"OSError"
    sandbox.assert_alive()


def test_it_has_the_file_the_pipe_and_no_other_files(sandbox: Jobs) -> None:
    assert json.loads(sandbox.run("describe").data)["open_files"] == [0, 1, 2, 3, 4]


def test_it_knows_no_secrets(sandbox: Jobs) -> None:
    assert os.environ["UNMASK_S3_SECRET_KEY"] == "a-secret"
    environment = json.loads(sandbox.run("describe").data)["environment"]
    assert "PATH" in environment
    assert not any(name.startswith("UNMASK") for name in environment)


def test_it_dumps_no_core(sandbox: Jobs) -> None:
    assert json.loads(sandbox.run("describe").data)["core"] == [0, 0]


def test_what_it_prints_goes_nowhere(sandbox: Jobs, capfd: pytest.CaptureFixture[str]) -> None:
    sandbox.run("print_something")
    assert capfd.readouterr() == ("", "")


def test_without_the_filter_the_other_limits_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where jobs create files, if only empty ones
    with jobs(tmp_path, syscall_filter="off") as sandbox:
        assert sandbox.run("attempt", "list a folder").data == b"nothing happened"
        assert sandbox.run("attempt", "create a file").data == b"OSError"  # of no length
        with pytest.raises(VideoTooDemanding):
            sandbox.run("allocate")


@linux_only
def test_without_the_filter_nothing_runs_where_it_is_required(tmp_path: Path) -> None:
    with (
        jobs(tmp_path, factory="sandbox_jobs:make_on_an_unknown_machine") as sandbox,
        pytest.raises(SandboxUnavailable, match="not filtered on linux pdp11"),
    ):
        sandbox.run("echo")


def test_jobs_run_without_the_filter_after_one_warning_where_that_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with jobs(
        tmp_path, factory="sandbox_jobs:make_on_an_unknown_machine", syscall_filter="best-effort"
    ) as sandbox:
        for _ in range(2):
            sandbox.assert_alive()
            sandbox.sandbox.close()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "pdp11" in warnings[0].getMessage()
