"""Both clients behind one face, and a server that answers from a list."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx

from unmask_client import AsyncClient, Client, RetryPolicy

Reply = httpx.Response | Exception
AT_ONCE = RetryPolicy(first_pause_s=0.0)


class AnsweringServer:
    """Gives one reply after the other, the last one for ever, and keeps what it was sent."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


class Blocking:
    """An `AsyncClient` whose methods wait."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            awaited = method(*arguments, **named)
            if isinstance(awaited, AsyncIterator):
                return self._runner.run(_all_of(awaited))
            return self._runner.run(awaited)

        return call


async def _all_of(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@contextmanager
def client_of(kind: str, server: AnsweringServer, **arguments: Any) -> Iterator[Client]:
    """A client, `blocking` or `async`, of a server that is only a function."""
    arguments = {"retries": AT_ONCE, "url": "http://unmask.test"} | arguments
    transport = httpx.MockTransport(server)
    if kind == "blocking":
        with Client(transport=transport, **arguments) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        blocking = Blocking(AsyncClient(transport=transport, **arguments), runner)
        yield cast(Client, blocking)
        blocking.close()
