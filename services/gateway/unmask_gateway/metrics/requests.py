"""What this gateway was asked and how it answered, counted in its own memory."""

import time
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Anybody can send any method and any path; only those that exist get a label.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"
_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)


class RequestMetrics:
    """The counters of one gateway process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "unmask_http_requests",
            "Requests that were answered, by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.durations = Histogram(
            "unmask_http_request_duration_seconds",
            "From the first byte of a request to the last one of its answer.",
            ["route", "method"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.body_bytes = Counter(
            "unmask_http_request_body_bytes",
            "Bytes of request bodies that arrived; uploads, above all.",
            ["route"],
            registry=registry,
        )


class CountRequests:
    """Counts every request by the template of its route, never by its path."""

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics
        # Bounded, as all three are; looking labels up takes longer than to count.
        self._of = cache(self._find)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request when it is over, however it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at, status, body_bytes = time.perf_counter(), 500, 0

        async def counting_receive() -> Message:
            nonlocal body_bytes
            message = await receive()
            body_bytes += len(message.get("body", b""))
            return message

        async def watching_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, counting_receive, watching_send)
        finally:
            route = getattr(scope.get("route"), "path", _OTHER)
            method = scope["method"] if scope["method"] in _METHODS else _OTHER
            requests, durations = self._of(route, method, status)
            requests.inc()
            durations.observe(time.perf_counter() - started_at)
            if body_bytes:
                self._metrics.body_bytes.labels(route).inc(body_bytes)

    def _find(self, route: str, method: str, status: int) -> tuple[Counter, Histogram]:
        return (
            self._metrics.requests.labels(route, method, str(status)),
            self._metrics.durations.labels(route, method),
        )
