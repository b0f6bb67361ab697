"""What every response needs, whichever route gave it."""

import asyncio
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask_gateway.access.rate_limits import limit_headers
from unmask_gateway.bodies import has_body

_LINGER_S: Final = 2.0
# So much is thrown away at full speed, the rest at a trickle that only shows the client the answer.
_QUICKLY_DISCARDED_BYTES: Final = 4 * 1024 * 1024
_TRICKLE_PAUSE_S: Final = 0.01

# As ASGI has them, since they are added to every response.
_SECURITY_HEADERS: Final = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}


class SecurityHeaders:
    """Tells browsers to trust nothing but what this server sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to each response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = dict(message["headers"])
                added = [item for item in _SECURITY_HEADERS.items() if item[0] not in given]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


class RateLimitHeaders:
    """Tells callers where their keys stand with their limits, in whatever they are answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to responses whose requests were counted."""

        async def send_with_headers(message: Message) -> None:
            limits = scope.get("state", {}).get("limits")
            if limits and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(limit_headers(limits))
            await send(message)

        await self._app(scope, receive, send_with_headers)


class LingeringClose:
    """Lets a client read why its body was refused while it still sends it.

    A server that answers early and closes at once resets the connection, and the client may lose
    the answer. So the answer goes out, what still arrives is thrown away for a moment, and then
    the connection closes: a body that was refused is never read to its end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close gently when the response comes before the end of the body."""
        if scope["type"] != "http" or not has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body_ended = False

        async def watch_receive() -> Message:
            nonlocal body_ended
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                body_ended = True
            return message

        async def linger() -> None:
            discarded = 0
            try:
                async with asyncio.timeout(_LINGER_S):
                    while not body_ended:
                        message = await watch_receive()
                        discarded += len(message.get("body", b""))
                        if discarded > _QUICKLY_DISCARDED_BYTES:
                            await asyncio.sleep(_TRICKLE_PAUSE_S)
            except TimeoutError:
                return

        async def send_gently(message: Message) -> None:
            if body_ended:
                await send(message)
            elif message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await linger()
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await send(message)

        await self._app(scope, watch_receive, send_gently)
