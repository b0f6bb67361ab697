"""Bodies of requests: small ones are read before anything else happens, large ones by their route.

Without this the framework would read a JSON document of any size into memory, however slowly it
comes, and before it has asked for a key.
"""

import asyncio
from typing import Any, Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask_gateway.problems import add_responses, document_errors, problem_response
from unmask_shared.errors import UnmaskError

MAX_SMALL_BODY_BYTES: Final = 64 * 1024
"""Of everything but a form with a file, and a batch."""

MAX_BATCH_BYTES: Final = 1024 * 1024
"""Of POST /batches: as many items as it takes, each with a URL that is long."""


class BodyTooLarge(UnmaskError):
    """The body is larger than any that this address takes."""

    code = "body_too_large"
    http_status = 413
    title = "The body of the request is too large"
    action = (
        f"Send at most {MAX_SMALL_BODY_BYTES} bytes, or {MAX_BATCH_BYTES} to POST /batches; files "
        "go to POST /videos as multipart/form-data."
    )


class BodyStalled(UnmaskError):
    """The body does not arrive."""

    code = "body_stalled"
    http_status = 408
    retryable = True
    title = "The body of the request did not arrive in time"
    action = (
        "Send the body at once; the operator sets the patience with UNMASK_REQUEST_BODY_TIMEOUT_S."
    )


class SmallBodies:
    """Hands the application bodies that are whole, and refuses those that are large or slow."""

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        """Wrap an application.

        Args:
            app: The application.
            timeout_s: A whole body has to arrive within this.
        """
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, unless it is a form with a file, which is read while it arrives."""
        if scope["type"] != "http" or not has_body(headers := Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        if _may_bring_file(scope, headers):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await _read(receive, most=_most_bytes(scope))
        except TimeoutError:
            refusal: UnmaskError = BodyStalled(f"It took longer than {self._timeout_s:g} s.")
        except BodyTooLarge as error:
            refusal = error
        else:
            if body is not None:  # the client is there
                await self._app(scope, _replay(body, receive), send)
            return
        await problem_response(Request(scope), refusal)(scope, receive, send)


def describe_bodies(app: FastAPI) -> None:
    """Add to every operation that takes a body how it answers those that are large or slow."""
    describe = app.openapi
    refusals = document_errors(BodyTooLarge, BodyStalled)

    def with_bodies() -> dict[str, Any]:
        description = describe()
        for methods in description["paths"].values():
            for operation in methods.values():
                if "requestBody" in operation:
                    add_responses(operation["responses"], refusals)
        return description

    app.openapi = with_bodies  # type: ignore[method-assign] # FastAPI's documented way


def is_json(content_type: str | None) -> bool:
    """Whether a `Content-Type` says that the body is JSON."""
    return (content_type or "").partition(";")[0].strip().lower() == "application/json"


def has_body(headers: Headers) -> bool:
    """Whether a request announces a body."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _may_bring_file(scope: Scope, headers: Headers) -> bool:
    # The route reads a form piece by piece, and refuses other types before it reads any.
    is_submission = (scope["method"], scope["path"]) == ("POST", "/videos")
    return is_submission and not is_json(headers.get("content-type"))


def _most_bytes(scope: Scope) -> int:
    is_batch = (scope["method"], scope["path"]) == ("POST", "/batches")
    return MAX_BATCH_BYTES if is_batch else MAX_SMALL_BODY_BYTES


async def _read(receive: Receive, *, most: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise BodyTooLarge(f"Over {most} bytes came.")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once, then whatever the server says."""
    is_given = False

    async def replayed() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
