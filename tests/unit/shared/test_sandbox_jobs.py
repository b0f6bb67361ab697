"""Whatever becomes of a job, the caller gets a result or a typed error, in time."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sandbox_jobs import frame, progress_frame
from sandboxes import CONTENT, MIB, Jobs, jobs

from unmask_shared.errors import DecoderCrashed, NoVideoStream, VideoTooDemanding
from unmask_shared.sandbox import SandboxFailure, SandboxLimits


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    with jobs(tmp_path_factory.mktemp("sandbox")) as made:
        yield made


@pytest.fixture
def still_usable(sandbox: Jobs) -> Iterator[None]:
    yield
    sandbox.assert_alive()


def test_a_result_and_the_progress_come_back(sandbox: Jobs) -> None:
    fractions: list[float] = []
    result = sandbox.run("echo", "and more", on_progress=fractions.append)
    assert result.data == CONTENT + b"and more"
    assert fractions == [0.0, 0.5, 1.0]
    assert 0 < result.cpu_s < 5
    assert MIB < result.peak_rss_bytes < 1024 * MIB


def test_results_longer_than_a_frame_come_back_whole(sandbox: Jobs) -> None:
    assert sandbox.run("echo", "x" * (MIB + 1)).data == CONTENT + b"x" * (MIB + 1)


def test_a_result_can_be_taken_as_it_comes(sandbox: Jobs) -> None:
    parts: list[bytes] = []
    result = sandbox.run("echo", "x" * MIB, on_result=parts.append)
    assert b"".join(parts) == CONTENT + b"x" * MIB
    assert len(parts) > 10
    assert not result.data


@pytest.mark.usefixtures("still_usable")
def test_a_result_that_is_taken_as_it_comes_may_not_be_too_long_either(sandbox: Jobs) -> None:
    parts: list[bytes] = []
    with pytest.raises(VideoTooDemanding):
        sandbox.run("echo", "x" * (3 * MIB), on_result=parts.append)
    assert sum(map(len, parts)) <= 2 * MIB


def test_each_job_reads_from_the_start_of_the_file(sandbox: Jobs) -> None:
    for _ in range(2):
        assert sandbox.run("echo").data == CONTENT


def test_each_job_is_a_process_of_its_own(sandbox: Jobs) -> None:
    pids = {json.loads(sandbox.run("describe").data)["pid"] for _ in range(3)}
    assert len(pids) == 3


def test_threads_can_be_started(sandbox: Jobs) -> None:
    assert sandbox.run("use_threads").data == b"xxxx"


def test_threads_of_the_caller_take_turns(sandbox: Jobs) -> None:
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(sandbox.run("echo").data)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 4


@pytest.mark.usefixtures("still_usable")
def test_an_error_about_the_video_is_raised_again(sandbox: Jobs) -> None:
    with pytest.raises(NoVideoStream, match=r"^all\[31m of itis sound$"):
        sandbox.run("complain", "sound")


@pytest.mark.usefixtures("still_usable")
def test_a_bug_is_logged_and_cannot_forge_entries(
    sandbox: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(SandboxFailure):
        sandbox.run("fail", "in the job")
    assert "ZeroDivisionError: in the job" in caplog.text
    assert "\n  | 2026-01-01 ERROR forged" in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.usefixtures("still_usable")
@pytest.mark.parametrize(
    ("how", "name"),
    [("segfault", "Segmentation fault"), ("abort", "Aborted"), ("exit", "exit code 77")],
)
def test_a_crash_is_told(sandbox: Jobs, how: str, name: str) -> None:
    with pytest.raises(DecoderCrashed, match=name):
        sandbox.run("crash", how)


@pytest.mark.usefixtures("still_usable")
@pytest.mark.parametrize("job", ["allocate", "allocate_and_hide"])
def test_memory_is_limited(sandbox: Jobs, job: str) -> None:
    with pytest.raises(VideoTooDemanding, match="200 MiB of memory"):
        sandbox.run(job)


@pytest.mark.usefixtures("still_usable")
def test_the_result_is_limited(sandbox: Jobs) -> None:
    with pytest.raises(VideoTooDemanding, match="2 MiB of faces"):
        sandbox.run("flood", "result")


@pytest.mark.parametrize("how", ["", "stubbornly"])
def test_processor_time_is_limited(tmp_path: Path, how: str) -> None:
    with jobs(tmp_path, cpu_s=1) as sandbox:
        with pytest.raises(VideoTooDemanding, match="1 s of processor time"):
            sandbox.run("spin", how)
        sandbox.assert_alive()


@pytest.mark.parametrize(
    ("job", "argument"),
    [("sleep", ""), ("stop", ""), ("flood", "progress"), ("spin", "")],
)
def test_time_is_limited(tmp_path: Path, job: str, argument: str) -> None:
    with jobs(tmp_path, wall_s=0.5) as sandbox:
        sandbox.sandbox.start()
        started = time.monotonic()
        with pytest.raises(VideoTooDemanding, match=r"0\.5 s"):
            sandbox.run(job, argument)
        assert 0.4 < time.monotonic() - started < 5
        sandbox.assert_alive()


def test_a_job_that_closes_its_pipe_does_not_linger(sandbox: Jobs) -> None:
    with pytest.raises((VideoTooDemanding, DecoderCrashed)):
        sandbox.run("close_and_sleep")
    assert not sandbox.zygote.children()


@pytest.mark.usefixtures("still_usable")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("ff", id="half a head"),
        pytest.param(frame(b"x", b""), id="unknown kind"),
        pytest.param("72ffffffff", id="huge length"),
        pytest.param("7200000010" + "00", id="cut short"),
        pytest.param(progress_frame(float("nan")), id="NaN"),
        pytest.param(progress_frame(float("inf")), id="infinite"),
        pytest.param(progress_frame(-0.1), id="negative"),
        pytest.param(progress_frame(1.1), id="more than all"),
        pytest.param(progress_frame(0.5) + progress_frame(0.4), id="shrinking"),
        pytest.param(frame(b"p", b"0.5"), id="progress as text"),
        pytest.param(frame(b"e", b"{"), id="broken JSON"),
        pytest.param(frame(b"e", b"[" * 5000), id="deep JSON"),
        pytest.param(frame(b"e", b'{"code": "unreadable_video"}'), id="no detail"),
        pytest.param(frame(b"e", b'{"code": 1, "detail": "x"}'), id="code of a wrong type"),
        pytest.param(frame(b"e", b'{"code": "no_such", "detail": "x"}'), id="unknown error"),
        pytest.param(
            frame(b"e", b'{"code": "video_not_found", "detail": "x"}'), id="not about the video"
        ),
        pytest.param(
            frame(b"e", b'{"code": "unreadable_video", "detail": "x"}'), id="error and success"
        ),
        pytest.param(
            frame(b"e", b'{"code": "unreadable_video", "detail": "x"}') + frame(b"r", b"x"),
            id="something after the error",
        ),
    ],
)
def test_nonsense_ends_a_job(sandbox: Jobs, sent: str) -> None:
    with pytest.raises(DecoderCrashed, match="went out of control"):
        sandbox.run("send_bytes", sent)


def test_progress_is_told_in_steps(sandbox: Jobs) -> None:
    fractions: list[float] = []
    many = "".join(progress_frame(0.5 + step / 1e7) for step in range(1100))
    sandbox.run("send_bytes", many, on_progress=fractions.append)
    assert fractions == pytest.approx([0.5, 0.50005, 0.5001])


@pytest.mark.usefixtures("still_usable")
def test_an_error_of_the_caller_ends_the_job(sandbox: Jobs) -> None:
    def cancel(_fraction: float) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sandbox.run("sleep", on_progress=cancel)
    assert time.monotonic() - started < 10
    assert not sandbox.zygote.children()


@pytest.mark.parametrize("name", ["memory_bytes", "cpu_s", "wall_s", "result_bytes"])
@pytest.mark.parametrize("value", [0, -1])
def test_limits_must_be_above_zero(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        SandboxLimits(**{name: value})


def test_sandboxes_work_side_by_side(tmp_path: Path) -> None:
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(jobs(folder)) for folder in (_make(tmp_path / n) for n in "ab")
        )
        for _ in range(2):
            first.assert_alive()
            second.assert_alive()


def _make(folder: Path) -> Path:
    folder.mkdir()
    return folder
