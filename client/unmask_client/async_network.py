"""Carries effects out in an event loop."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio
import httpx
from anyio import to_thread

from unmask_client.calls import Answer, Effect, Listen, Operation, P, Send, Sleep
from unmask_client.configuration import Server
from unmask_client.errors import ConnectionFailed
from unmask_client.wire import make_request, opened, translated_errors

T = TypeVar("T")


class AsyncNetwork:
    """Connections to one server."""

    def __init__(self, server: Server, transport: httpx.AsyncBaseTransport | None) -> None:
        self._http = httpx.AsyncClient(
            base_url=server.url,
            headers=server.headers,
            timeout=server.timeout,
            transport=transport,
        )

    async def run(self, operation: Operation[T]) -> T:
        """See `BlockingNetwork.run`."""
        try:
            effect = next(operation)
            while True:
                try:
                    answer = await self._carry_out(effect)
                except ConnectionFailed as error:
                    effect = operation.throw(error)
                else:
                    effect = operation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def pages(self, page: Callable[[str | None], Operation[P]]) -> AsyncIterator[P]:
        """See `BlockingNetwork.pages`."""
        cursor = None
        while True:
            found = await self.run(page(cursor))
            yield found
            cursor = found.next_cursor
            if cursor is None:
                return

    async def _carry_out(self, effect: Effect) -> Answer:
        if isinstance(effect, Sleep):
            await anyio.sleep(effect.seconds)
            return Answer(status=0)
        with opened(effect.call) as file, translated_errors(effect.call, self._http.base_url):
            request = make_request(self._http, effect.call, file)
            response = await self._http.send(request, stream=True)
            try:
                return await self._take(effect, response)
            finally:
                await response.aclose()

    async def _take(self, effect: Send | Listen, response: httpx.Response) -> Answer:
        body = b""
        if not response.is_success:
            body = await response.aread()
        elif isinstance(effect, Listen):
            async for piece in response.aiter_bytes():
                if effect.on_data(piece):
                    break
        elif effect.into is not None:
            async for piece in response.aiter_bytes():
                await to_thread.run_sync(effect.into.write, piece)
        else:
            body = await response.aread()
        return Answer(status=response.status_code, headers=response.headers, body=body)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
