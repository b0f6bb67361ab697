"""HTTP/1.1 connections that no client can hold open, or fill the memory through, at will.

uvicorn parses the requests. It waits for ever for a request that never becomes whole, takes heads
of any size and connections without end; this closes those.
"""

import asyncio
import logging
import resource
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from unmask_gateway.problems import MEDIA_TYPE, RETRY_AFTER_S, problem_of
from unmask_gateway.settings import GatewaySettings
from unmask_shared.errors import UnmaskError

log = logging.getLogger(__name__)

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers, or what comes between two pieces of a body."""

# Modules, Redis, the object store, files on their way.
_OTHER_FILES: Final = 512
_LINGER_S: Final = 1.0
_MOST_DISCARDED_BYTES: Final = 1024 * 1024


class MalformedHttp(UnmaskError):
    """What arrived is no HTTP request."""

    code = "malformed_http"
    http_status = 400
    title = "This is not an HTTP request"
    action = "Send HTTP/1.1, with one way to tell the length of the body."


class RequestHeadTooLarge(UnmaskError):
    """The request line and the headers are larger than any that are needed."""

    code = "request_head_too_large"
    http_status = 431
    title = "The headers of the request are too large"
    action = f"Send at most {MAX_HEAD_BYTES} bytes of path, query and headers."


class RequestHeadTimeout(UnmaskError):
    """A connection was opened, but no whole request came."""

    code = "request_head_timeout"
    http_status = 408
    retryable = True
    title = "The request did not arrive in time"
    action = (
        "Send the headers at once; the operator sets the patience with "
        "UNMASK_REQUEST_HEAD_TIMEOUT_S."
    )


class TooManyConnections(UnmaskError):
    """The gateway has as many connections as it serves at once."""

    code = "too_many_connections"
    http_status = 503
    retryable = True
    title = "Too many clients are connected"
    action = (
        "Try again after as many seconds as the Retry-After header says; the operator sets the "
        "limit with UNMASK_MAX_CONNECTIONS."
    )


class BoundedConnection(HttpToolsProtocol):
    """A connection with limits on its number, its heads, and on patience in both directions."""

    limits: ClassVar[GatewaySettings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusal: UnmaskError | None = None
        self._head_bytes = 0
        self._silent_bytes = 0
        self._discarded_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, unless there are too many connections."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._refuse(TooManyConnections(f"{self.limits.max_connections} are open already."))
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop_awaiting_head()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        if self._refusal is not None:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > _MOST_DISCARDED_BYTES:
                self.transport.close()
            return
        if self._head_timer is None and self._is_idle():
            self._await_head()
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._refuse(RequestHeadTooLarge(f"Over {MAX_HEAD_BYTES} bytes came."))

    def on_message_begin(self) -> None:
        """Count from here on."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a piece of the request line."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a field behind the body."""
        self._count_head(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request begin."""
        self._silent_bytes = 0
        self._stop_awaiting_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._silent_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, or was refused while it was."""
        self._refuse(self._refusal or MalformedHttp(msg))

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read its answer."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(
                self.limits.response_idle_timeout_s, self.transport.abort
            )

    def resume_writing(self) -> None:
        """The client has read, or is gone."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(
            self.limits.request_head_timeout_s, self._give_up_on_head
        )

    def _stop_awaiting_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up_on_head(self) -> None:
        self._head_timer = None
        self._refuse(
            RequestHeadTimeout(f"No request came within {self.limits.request_head_timeout_s:g} s.")
        )

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refusal = RequestHeadTooLarge(f"Over {MAX_HEAD_BYTES} bytes came.")
            # Ends the parser, which has no word for that; `send_400_response` answers.
            raise httptools.HttpParserError(self._refusal.title)

    def _refuse(self, error: UnmaskError) -> None:
        """Answer in the place of the application, if it has not begun to, and close."""
        self._refusal = error
        self._stop_awaiting_head()
        if self.transport.is_closing():
            return
        if not self._is_idle():
            if self.cycle.response_started or self.pipeline:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_raw_answer(error))
        # A client that still sends would lose the answer if this closed at once.
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)


def allow_open_files(settings: GatewaySettings) -> None:
    """Let this process have as many files open as its connections need, if the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < settings.max_connections + _OTHER_FILES:
        log.warning(
            "%d files may be open, which is too few for UNMASK_MAX_CONNECTIONS (%d)",
            wanted,
            settings.max_connections,
        )


def bounded_connections(settings: GatewaySettings) -> type[BoundedConnection]:
    """What uvicorn takes as its HTTP implementation."""

    class Bounded(BoundedConnection):
        limits = settings

    return Bounded


def _raw_answer(error: UnmaskError) -> bytes:
    body = problem_of(error, None).model_dump_json().encode()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "connection": "close",
    }
    if error.http_status == 503:
        headers["retry-after"] = str(RETRY_AFTER_S)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[error.http_status] + head.encode() + b"\r\n" + body
