"""Traces by OpenTelemetry's SDK, sent with OTLP over HTTP; imported only where they are wanted."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from unmask_shared.errors import UnmaskError
from unmask_shared.subject import subject

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_KINDS: Final = {
    "internal": trace.SpanKind.INTERNAL,
    "client": trace.SpanKind.CLIENT,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
}
_FLUSH_MS: Final = 3000


class _Discretion(SpanProcessor):  # type: ignore[misc] # of a namespace that mypy does not follow
    """Takes out what FastAPI tells of a request that is not for everybody: lists filter by name."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Called by the SDK."""
        if span.attributes and "url.query" in span.attributes:
            span.set_attribute("url.query", "REDACTED")


class Exporting:
    """Makes spans and sends them; what is not sent at the end is lost after a few seconds."""

    def __init__(self, service: str) -> None:
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: f"unmask-{service}"}
        self.provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self.provider.add_span_processor(_Discretion())
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self.provider.get_tracer("unmask")

    def close(self) -> None:
        """Send what is left, for no longer than a few seconds."""
        self.provider.force_flush(_FLUSH_MS)
        self.provider.shutdown()

    @contextmanager
    def span(
        self,
        name: str,
        kind: str,
        attributes: Mapping[str, str | float],
        *,
        only_within: bool,
        since: float | None,
    ) -> Iterator[None]:
        """See `unmask_shared.tracing.span`."""
        if only_within and not trace.get_current_span().get_span_context().is_valid:
            yield
            return
        described = {key: str(value) for key, value in subject().items()} | dict(attributes)
        with self._tracer.start_as_current_span(
            name,
            kind=_KINDS[kind],
            attributes=described,
            start_time=None if since is None else int(since * 1e9),
            # The texts of errors name files.
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            try:
                yield
            except BaseException as error:
                made.set_attribute("error.type", _type_of(error))
                made.set_status(trace.StatusCode.ERROR)
                raise

    def carried(self) -> str | None:
        """See `unmask_shared.tracing.carried`."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    @contextmanager
    def continued(self, traceparent: str) -> Iterator[None]:
        """See `unmask_shared.tracing.continued`."""
        token = attach(_PROPAGATOR.extract({"traceparent": traceparent}))
        try:
            yield
        finally:
            detach(token)

    def trace_id(self) -> str | None:
        """See `unmask_shared.tracing.trace_id`."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None


def _type_of(error: BaseException) -> str:
    return error.code if isinstance(error, UnmaskError) else type(error).__qualname__
