"""Log lines that people and machines can read."""

import json
import logging
from collections.abc import Iterator

import pytest

from unmask_shared.logs import configure_logging
from unmask_shared.settings import LogSettings


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    ours = logging.getLogger("unmask_shared")
    our_level = ours.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


def test_json_lines_carry_the_video_and_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway", LogSettings(log_format="json"))
    logging.getLogger("unmask_shared.stages").info("video %s", "done", extra={"video_id": "abc"})
    entry = json.loads(capsys.readouterr().err)
    assert entry["service"] == "gateway"
    assert entry["message"] == "video done"
    assert entry["video_id"] == "abc"
    assert entry["level"] == "info"


def test_an_error_stays_on_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway", LogSettings(log_format="json"))
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("unmask_shared.stages").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "Traceback" in json.loads(line)["error"]


def test_text_lines_show_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway", LogSettings(log_format="text"))
    logging.getLogger("unmask_shared.stages").warning("failed", extra={"video_id": "abc"})
    line = capsys.readouterr().err
    assert "gateway" in line
    assert line.endswith("WARNING failed video_id=abc\n")


def test_nobody_forges_text_lines_or_commands_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("gateway", LogSettings(log_format="text"))
    forged = "00:00:00 gateway INFO all is well"
    log = logging.getLogger("unmask_shared.stages")
    log.warning(
        "path /a\n%s\r%s\u2028%s\x1b[2J", forged, forged, forged, extra={"x": f"\n{forged}"}
    )
    try:
        [][int(f"\n{forged}")]
    except ValueError:
        log.exception("failed\0")
    lines = capsys.readouterr().err.split("\n")
    assert not any(line.startswith("00:00:00") for line in lines)
    assert all(line.isprintable() for line in lines)
    assert sum(not line.startswith(" ") for line in lines if line) == 2
    assert "\\x1b[2J" in "".join(lines)


def test_libraries_are_quiet_and_the_level_is_a_setting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("gateway", LogSettings(log_level="WARNING"))
    logging.getLogger("urllib3").info("connecting")
    logging.getLogger("unmask_shared.stages").info("nothing to see")
    assert capsys.readouterr().err == ""
