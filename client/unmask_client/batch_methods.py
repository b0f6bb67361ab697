"""The batches of a client: many videos that are handed over in one request."""

from collections.abc import AsyncIterator, Iterable, Iterator

from unmask_client import batches
from unmask_client.async_network import AsyncNetwork
from unmask_client.batch_models import Batch, BatchSummary
from unmask_client.batches import NewItem, OnBatchProgress
from unmask_client.blocking_network import BlockingNetwork
from unmask_client.retries import RetryPolicy


class BatchMethods:
    """What `Client` can do with batches."""

    _network: BlockingNetwork
    _policy: RetryPolicy

    def submit_batch(
        self,
        items: Iterable[str | NewItem],
        *,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Hand over up to 200 videos that the server fetches itself.

        Args:
            items: Addresses, or items with options of their own. Each becomes a video or a problem,
                after the answer.
            webhook_url: Where the server sends one signed message when all have ended.
            idempotency_key: As for `submit`.

        Returns:
            The accepted batch; `batch` tells where it stands.

        Raises:
            TooManyRequests: So many batches of this key have items that wait.
        """
        return self._network.run(
            batches.submit(
                items,
                webhook_url=webhook_url,
                idempotency_key=idempotency_key,
                policy=self._policy,
            )
        )

    def batches(self) -> Iterator[BatchSummary]:
        """All batches of videos, the newest first, fetched page by page."""
        for page in self._network.pages(lambda cursor: batches.page(cursor, policy=self._policy)):
            yield from page.batches

    def batch(self, batch_id: str) -> Batch:
        """What became of a batch, with all of its items."""
        return self._network.run(batches.get(batch_id, policy=self._policy))

    def wait_for_batch(
        self,
        batch_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: OnBatchProgress | None = None,
    ) -> Batch:
        """Wait until each item of a batch is refused, or its video has ended.

        Args:
            batch_id: Its id.
            timeout_s: How long to wait at most, in seconds; None for as long as it takes.
            on_progress: Called with the batch, of which the first items are enough, whenever it
                got further.

        Raises:
            BatchWaitTimedOut: It is not finished; waiting may go on at any time.
        """
        return self._network.run(
            batches.wait(
                batch_id, timeout_s=timeout_s, on_progress=on_progress, policy=self._policy
            )
        )

    def cancel_batch(self, batch_id: str) -> Batch:
        """Let no more of its items become videos, and cancel those of its videos that go on."""
        return self._network.run(batches.cancel(batch_id, policy=self._policy))

    def delete_batch(self, batch_id: str) -> None:
        """Erase a batch with all of its videos."""
        self._network.run(batches.delete(batch_id, policy=self._policy))


class AsyncBatchMethods:
    """What `AsyncClient` can do with batches."""

    _network: AsyncNetwork
    _policy: RetryPolicy

    async def submit_batch(
        self,
        items: Iterable[str | NewItem],
        *,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """See `BatchMethods.submit_batch`."""
        return await self._network.run(
            batches.submit(
                items,
                webhook_url=webhook_url,
                idempotency_key=idempotency_key,
                policy=self._policy,
            )
        )

    async def batches(self) -> AsyncIterator[BatchSummary]:
        """See `BatchMethods.batches`."""
        async for page in self._network.pages(
            lambda cursor: batches.page(cursor, policy=self._policy)
        ):
            for batch in page.batches:
                yield batch

    async def batch(self, batch_id: str) -> Batch:
        """See `BatchMethods.batch`."""
        return await self._network.run(batches.get(batch_id, policy=self._policy))

    async def wait_for_batch(
        self,
        batch_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: OnBatchProgress | None = None,
    ) -> Batch:
        """See `BatchMethods.wait_for_batch`."""
        return await self._network.run(
            batches.wait(
                batch_id, timeout_s=timeout_s, on_progress=on_progress, policy=self._policy
            )
        )

    async def cancel_batch(self, batch_id: str) -> Batch:
        """See `BatchMethods.cancel_batch`."""
        return await self._network.run(batches.cancel(batch_id, policy=self._policy))

    async def delete_batch(self, batch_id: str) -> None:
        """See `BatchMethods.delete_batch`."""
        await self._network.run(batches.delete(batch_id, policy=self._policy))
