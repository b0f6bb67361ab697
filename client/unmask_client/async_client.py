"""The client for programs that run an event loop (asyncio or trio)."""

import os
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

import anyio
import httpx
from anyio import to_thread
from httpx_sse import EventSource

from unmask_client import operations, waiting
from unmask_client.calls import Answer, Effect, Listen, Operation, Send, Sent, Sleep
from unmask_client.configuration import choose_server
from unmask_client.destination import destination
from unmask_client.errors import ConnectionFailed
from unmask_client.models import AnalysisOptions, Video
from unmask_client.retries import RetryPolicy
from unmask_client.wire import make_request, opened, translated_errors

T = TypeVar("T")


class AsyncClient:
    """Speaks to one gateway; its methods are those of `Client`, to be awaited.

    Callbacks are called in the event loop, and should not block it.

    Example:
        async with AsyncClient() as unmask:
            video = await unmask.wait((await unmask.submit("clip.mp4")).id)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """See `Client`."""
        server = choose_server(url, api_key=api_key, timeout_s=timeout_s)
        self._policy = retries or RetryPolicy()
        self._http = httpx.AsyncClient(
            base_url=server.url,
            headers=server.headers,
            timeout=server.timeout,
            transport=transport,
        )

    async def submit(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        options: AnalysisOptions | None = None,
        *,
        filename: str | None = None,
        on_upload: Sent | None = None,
    ) -> Video:
        """See `Client.submit`; the file is read in a thread."""
        return await self._run(
            operations.submit(
                source,
                options=options or AnalysisOptions(),
                filename=filename,
                on_sent=on_upload,
                policy=self._policy,
            )
        )

    async def get(self, video_id: str) -> Video:
        """See `Client.get`."""
        return await self._run(operations.get(video_id, policy=self._policy))

    async def wait(
        self,
        video_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: waiting.OnProgress | None = None,
    ) -> Video:
        """See `Client.wait`."""
        return await self._run(
            waiting.wait(
                video_id, timeout_s=timeout_s, on_progress=on_progress, policy=self._policy
            )
        )

    async def download(self, path: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """See `Client.download`; the file is written in a thread."""
        with destination(to) as file:
            await self._run(operations.download(path, file, policy=self._policy))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, operation: Operation[T]) -> T:
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

    async def _carry_out(self, effect: Effect) -> Answer:
        if isinstance(effect, Sleep):
            await anyio.sleep(effect.seconds)
            return Answer(status=0)
        with opened(effect.call) as file, translated_errors(self._http.base_url):
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
            async for event in EventSource(response).aiter_sse():
                if effect.on_event(event):
                    break
        elif effect.into is not None:
            async for piece in response.aiter_bytes():
                await to_thread.run_sync(effect.into.write, piece)
        else:
            body = await response.aread()
        return Answer(status=response.status_code, headers=response.headers, body=body)
