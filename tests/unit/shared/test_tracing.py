"""Tracing is off unless it is asked for, and then nothing that exports is loaded."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from trace_collector import TraceCollector, running_collector

from unmask_shared.errors import NotAVideo
from unmask_shared.logs import configure_logging
from unmask_shared.settings import LogSettings
from unmask_shared.subject import about
from unmask_shared.tracing import (
    carried,
    carried_headers,
    continued,
    continued_from,
    span,
    start_tracing,
    stop_tracing,
    trace_id,
    tracer_provider,
)

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[TraceCollector]:
    with running_collector() as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        start_tracing("test")
        yield collector
        stop_tracing()


@pytest.mark.parametrize("module", ["unmask_preprocessor.worker", "unmask_inference.worker"])
def test_workers_load_no_exporter_while_it_is_off(module: str) -> None:
    # redis-py loads the SDK for itself wherever it is installed.
    code = (
        f"import sys, {module}; from unmask_shared.tracing import *; start_tracing('x');"
        "span('a').__enter__(); sys.exit('unmask_shared.tracing.exporting' in sys.modules"
        " or 'opentelemetry.exporter' in sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        },
    ],
)
def test_it_stays_off_where_it_is_not_wanted_or_not_possible(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    start_tracing("test")
    assert tracer_provider() is None
    assert isinstance(span("anything"), nullcontext)
    assert isinstance(continued(PARENT), nullcontext)
    assert (carried(), carried_headers(), trace_id()) == (None, {}, None)
    assert ("grpc" in caplog.text) == ("OTEL_EXPORTER_OTLP_PROTOCOL" in settings)


def test_spans_say_what_they_are_about_and_how_they_ended_but_not_in_words(
    collector: TraceCollector,
) -> None:
    with about(video_id="abc", attempt=2), continued(PARENT):
        assert trace_id() == PARENT.split("-")[1]
        with continued("00-11111111111111111111111111111111-1111111111111111-01"):
            assert trace_id() == PARENT.split("-")[1]  # one is at hand
        with span("outer"):
            headers = carried_headers()
    assert headers["traceparent"].startswith(PARENT[:36])

    def fail() -> None:
        with about(video_id="abc", attempt=2), continued_from(headers), span("inner", clips=3):
            raise NotAVideo("'holiday.mp4' does not begin like a video.")

    with pytest.raises(NotAVideo):
        fail()
    with span("alone", only_within=True):
        assert trace_id() is None
    stop_tracing()
    outer, inner = collector.spans
    assert (outer.name, inner.name, outer.service) == ("outer", "inner", "unmask-test")
    assert {outer.trace_id, inner.trace_id} == {PARENT.split("-")[1]}
    assert (outer.parent_id, inner.parent_id) == (PARENT.split("-")[2], outer.span_id)
    assert inner.attributes == {
        "video_id": "abc",
        "attempt": "2",
        "clips": "3",
        "error.type": "not_a_video",
    }
    assert "holiday" not in str(collector.spans)


def test_a_collector_that_is_away_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with caplog.at_level(logging.CRITICAL):
        start_tracing("test")
        with span("anything"):
            assert trace_id()
        stop_tracing()
    assert tracer_provider() is None


def test_log_lines_have_the_trace_and_the_subject(
    collector: TraceCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging("gateway", LogSettings(log_format="text"))
        with about(video_id="abc", stage="inferring", attempt=1), continued(PARENT):
            logging.getLogger("unmask_shared.stages").warning("slow")
        logging.getLogger("unmask_shared.stages").warning("idle")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    slow, idle = capsys.readouterr().err.splitlines()
    assert slow.endswith(f"video_id=abc stage=inferring attempt=1 trace_id={PARENT.split('-')[1]}")
    assert idle.endswith("WARNING idle")
