"""The client for programs that run an event loop (asyncio or trio)."""

import os
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from unmask_client import administration, direct_uploads, operations, waiting
from unmask_client.admin_models import (
    ActiveModel,
    ApiKey,
    ApiKeyList,
    ModelDetails,
    ModelVersion,
    NewApiKey,
)
from unmask_client.async_network import AsyncNetwork
from unmask_client.batch_methods import AsyncBatchMethods
from unmask_client.calls import Sent, api_path
from unmask_client.configuration import choose_server
from unmask_client.destination import destination
from unmask_client.direct_uploads import Upload
from unmask_client.models import AnalysisChanges, AnalysisOptions, FaceMode, Video, VideoSummary
from unmask_client.operations import VideoFilter
from unmask_client.outcome_messages import Webhooks
from unmask_client.retries import RetryPolicy


class AsyncClient(AsyncBatchMethods):
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
        self._network = AsyncNetwork(server, transport)

    async def submit(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        options: AnalysisOptions | None = None,
        *,
        filename: str | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
        on_upload: Sent | None = None,
    ) -> Video:
        """See `Client.submit`; the file is read in a thread."""
        return await self._network.run(
            operations.submit(
                source,
                options=options or AnalysisOptions(),
                filename=filename,
                webhook_url=webhook_url,
                idempotency_key=idempotency_key,
                on_sent=on_upload,
                policy=self._policy,
            )
        )

    async def submit_directly(
        self,
        source: str | os.PathLike[str],
        options: AnalysisOptions | None = None,
        *,
        filename: str | None = None,
        webhook_url: str | None = None,
        upload_id: str | None = None,
        on_begun: direct_uploads.OnBegun | None = None,
        on_upload: Sent | None = None,
    ) -> Video:
        """See `Client.submit_directly`; the file is read in a thread."""
        return await self._network.run(
            direct_uploads.submit_directly(
                source,
                options=options or AnalysisOptions(),
                filename=filename,
                webhook_url=webhook_url,
                upload_id=upload_id,
                on_begun=on_begun,
                on_sent=on_upload,
                policy=self._policy,
            )
        )

    async def upload(self, upload_id: str) -> Upload:
        """See `Client.upload`."""
        return await self._network.run(direct_uploads.get(upload_id, policy=self._policy))

    async def discard_upload(self, upload_id: str) -> None:
        """See `Client.discard_upload`."""
        await self._network.run(direct_uploads.discard(upload_id, policy=self._policy))

    async def analyze_again(
        self,
        video_id: str,
        changes: AnalysisChanges | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Video:
        """See `Client.analyze_again`."""
        return await self._network.run(
            operations.analyze_again(
                video_id,
                changes or AnalysisChanges(),
                idempotency_key=idempotency_key,
                policy=self._policy,
            )
        )

    async def webhooks(self, video_id: str) -> Webhooks:
        """See `Client.webhooks`."""
        return await self._network.run(operations.webhooks(video_id, policy=self._policy))

    async def get(self, video_id: str) -> Video:
        """See `Client.get`."""
        return await self._network.run(operations.get(video_id, policy=self._policy))

    async def wait(
        self,
        video_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: waiting.OnProgress | None = None,
    ) -> Video:
        """See `Client.wait`."""
        return await self._network.run(
            waiting.wait(
                video_id, timeout_s=timeout_s, on_progress=on_progress, policy=self._policy
            )
        )

    async def list(self, wanted: VideoFilter | None = None) -> AsyncIterator[VideoSummary]:
        """See `Client.list`."""
        chosen = wanted or VideoFilter()
        async for page in self._network.pages(
            lambda cursor: operations.page(chosen, cursor, policy=self._policy)
        ):
            for video in page.videos:
                yield video

    async def cancel(self, video_id: str) -> Video:
        """See `Client.cancel`."""
        return await self._network.run(operations.cancel(video_id, policy=self._policy))

    async def delete(self, video_id: str) -> None:
        """See `Client.delete`."""
        await self._network.run(operations.delete(video_id, policy=self._policy))

    async def download(self, path: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """See `Client.download`; the file is written in a thread."""
        with destination(to) as file:
            await self._network.run(operations.download(path, file, policy=self._policy))

    async def report(self, video_id: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """See `Client.report`."""
        await self.download(api_path("videos", video_id, "report"), to)

    async def source(self, video_id: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """See `Client.source`."""
        await self.download(api_path("videos", video_id, "source"), to)

    async def models(self) -> tuple[ModelVersion, ...]:
        """See `Client.models`."""
        return (await self._network.run(administration.models(policy=self._policy))).models

    async def model(self, name: str, version: str) -> ModelDetails:
        """See `Client.model`."""
        return await self._network.run(administration.model(name, version, policy=self._policy))

    async def active_model(self, face_mode: FaceMode = "faces") -> ActiveModel:
        """See `Client.active_model`."""
        return await self._network.run(administration.active_model(face_mode, policy=self._policy))

    async def activate(self, name: str, version: str) -> ActiveModel:
        """See `Client.activate`."""
        return await self._network.run(administration.activate(name, version, policy=self._policy))

    async def undo_activation(self, face_mode: FaceMode = "faces") -> ActiveModel:
        """See `Client.undo_activation`."""
        return await self._network.run(
            administration.undo_activation(face_mode, policy=self._policy)
        )

    async def create_key(self, name: str, scopes: Iterable[str]) -> NewApiKey:
        """See `Client.create_key`."""
        return await self._network.run(administration.create_key(name, scopes, policy=self._policy))

    async def api_keys(self) -> tuple[ApiKey, ...]:
        """See `Client.api_keys`."""
        return (await self.api_key_list()).keys

    async def api_key_list(self) -> ApiKeyList:
        """See `Client.api_key_list`."""
        return await self._network.run(administration.keys(policy=self._policy))

    async def revoke_key(self, key_id: str) -> None:
        """See `Client.revoke_key`."""
        await self._network.run(administration.revoke_key(key_id, policy=self._policy))

    async def close(self) -> None:
        """Close all connections."""
        await self._network.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
