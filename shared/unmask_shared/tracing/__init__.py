"""Traces of a video's way through all services, if the environment names a collector.

The standard variables of OpenTelemetry say where traces go (OTEL_EXPORTER_OTLP_ENDPOINT) and how
many are kept (OTEL_TRACES_SAMPLER). Without them nothing of OpenTelemetry is imported here, and a
span is a context that does nothing.

No attribute has a file's name, a key, a secret or the text of an error.
"""

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from unmask_shared.tracing.exporting import Exporting


class SupportsGet(Protocol):
    """Headers of a message, such as those of a task at work."""

    def get(self, key: str, /) -> Any:
        """The header, or None."""


log = logging.getLogger(__name__)

SpanKind = Literal["internal", "client", "producer", "consumer"]

_NO_SPAN: Final[AbstractContextManager[None]] = nullcontext()
_TRACEPARENT: Final = "traceparent"
_exporting: "Exporting | None" = None


def start_tracing(service: str) -> None:
    """Send traces from now on, if the environment says where to; for composition roots.

    Args:
        service: Name of this service, unless OTEL_SERVICE_NAME says it.
    """
    global _exporting  # noqa: PLW0603 - one for each process, as with logging
    if _exporting is not None or not _is_wanted():
        return
    try:
        from unmask_shared.tracing.exporting import Exporting  # noqa: PLC0415 - only where wanted
    except ImportError as error:
        log.warning("no traces: %s; install unmask-shared[tracing]", error)
        return
    _exporting = Exporting(service)


def stop_tracing() -> None:
    """Send what is left."""
    global _exporting  # noqa: PLW0603
    if _exporting is not None:
        _exporting.close()
        _exporting = None


def tracer_provider() -> Any:
    """OpenTelemetry's provider of tracers; None while tracing is off."""
    return None if _exporting is None else _exporting.provider


def span(
    name: str,
    *,
    kind: SpanKind = "internal",
    only_within: bool = False,
    since: float | None = None,
    **attributes: str | float,
) -> AbstractContextManager[None]:
    """Measure the body, as a part of whatever is measured around it.

    What the work is about (`unmask_shared.subject`) becomes attributes, too.

    Args:
        name: Of this kind of work; the same for every video.
        kind: Its side of a conversation between processes.
        only_within: Measure only what is part of something else.
        since: Unix time when it began, if that was before now.
        attributes: What else to say.
    """
    if _exporting is None:
        return _NO_SPAN
    return _exporting.span(name, kind, attributes, only_within=only_within, since=since)


def carried() -> str | None:
    """What another process needs to go on with this trace, a W3C `traceparent`, if there is one."""
    return None if _exporting is None else _exporting.carried()


def carried_headers() -> dict[str, str]:
    """The same as headers of a message."""
    found = carried()
    return {} if found is None else {_TRACEPARENT: found}


def continued(traceparent: str | None) -> AbstractContextManager[None]:
    """Go on with this trace while the body runs, unless one is at hand or there is none."""
    if _exporting is None or traceparent is None or trace_id() is not None:
        return _NO_SPAN
    return _exporting.continued(traceparent)


def continued_from(message: SupportsGet) -> AbstractContextManager[None]:
    """The same, from the headers of a message."""
    return continued(message.get(_TRACEPARENT))


def trace_id() -> str | None:
    """Hexadecimal id of the trace at hand; None outside one."""
    return None if _exporting is None else _exporting.trace_id()


def _is_wanted() -> bool:
    asked = os.environ.get
    endpoint = asked("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or asked("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint or asked("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if asked("OTEL_TRACES_EXPORTER", "otlp") not in {"otlp", ""}:
        return False
    protocol = asked("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or asked("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol and protocol != "http/protobuf":
        log.warning("no traces: of OTLP's protocols only http/protobuf is spoken, not %s", protocol)
        return False
    return True
