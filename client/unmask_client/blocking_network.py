"""Carries effects out while the calling thread waits."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx

from unmask_client.calls import Answer, Effect, Listen, Operation, P, Send, Sleep
from unmask_client.configuration import Server
from unmask_client.errors import ConnectionFailed
from unmask_client.wire import make_request, opened, translated_errors

T = TypeVar("T")


class BlockingNetwork:
    """Connections to one server; safe to use from several threads."""

    def __init__(self, server: Server, transport: httpx.BaseTransport | None) -> None:
        self._http = httpx.Client(
            base_url=server.url,
            headers=server.headers,
            timeout=server.timeout,
            transport=transport,
        )

    def run(self, operation: Operation[T]) -> T:
        """Carry out what the operation asks for, one effect after the other, and return its end."""
        try:
            effect = next(operation)
            while True:
                try:
                    answer = self._carry_out(effect)
                except ConnectionFailed as error:
                    effect = operation.throw(error)
                else:
                    effect = operation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def pages(self, page: Callable[[str | None], Operation[P]]) -> Iterator[P]:
        """The pages of a list, each when it is wanted.

        Args:
            page: Asks for the page at a cursor; None for the first.
        """
        cursor = None
        while True:
            found = self.run(page(cursor))
            yield found
            cursor = found.next_cursor
            if cursor is None:
                return

    def _carry_out(self, effect: Effect) -> Answer:
        if isinstance(effect, Sleep):
            time.sleep(effect.seconds)
            return Answer(status=0)
        with opened(effect.call) as file, translated_errors(effect.call, self._http.base_url):
            request = make_request(self._http, effect.call, file)
            response = self._http.send(request, stream=True)
            try:
                return self._take(effect, response)
            finally:
                response.close()

    def _take(self, effect: Send | Listen, response: httpx.Response) -> Answer:
        body = b""
        if not response.is_success:
            body = response.read()
        elif isinstance(effect, Listen):
            for piece in response.iter_bytes():
                if effect.on_data(piece):
                    break
        elif effect.into is not None:
            for piece in response.iter_bytes():
                effect.into.write(piece)
        else:
            body = response.read()
        return Answer(status=response.status_code, headers=response.headers, body=body)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
