"""What can be asked about batches of videos, one operation each."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from unmask_client.answers import pause_until_next_s, read
from unmask_client.batch_models import Batch, BatchPage
from unmask_client.calls import Answer, Call, Operation, Sleep, api_path
from unmask_client.errors import BatchWaitTimedOut, InvalidArgument
from unmask_client.models import AnalysisOptions
from unmask_client.operations import place_and_options, recognisable, webhook_field
from unmask_client.retries import RetryPolicy, send

OnBatchProgress = Callable[[Batch], None]


@dataclass(frozen=True, kw_only=True)
class NewItem:
    """One video of a new batch.

    Attributes:
        source_url: From where the server fetches it.
        upload_id: Or the direct upload that has its parts.
        options: What to do beyond the usual.
    """

    source_url: str | None = None
    upload_id: str | None = None
    options: AnalysisOptions = field(default_factory=AnalysisOptions)

    def __post_init__(self) -> None:
        """Check that it is one of the two.

        Raises:
            InvalidArgument: It is neither, or both.
        """
        if (self.source_url is None) is (self.upload_id is None):
            raise InvalidArgument("An item of a batch has a source_url or an upload_id.")

    def content(self) -> dict[str, Any]:
        """As the API takes it; options at their defaults are left to the server."""
        places = {"source_url": self.source_url, "upload_id": self.upload_id}
        named = {name: place for name, place in places.items() if place is not None}
        return place_and_options(named, self.options)


def page(cursor: str | None, *, policy: RetryPolicy) -> Operation[BatchPage]:
    """One page of a list, the newest batches first."""
    query = [("limit", "100")] if cursor is None else [("limit", "100"), ("cursor", cursor)]
    answer: Answer = yield from send(Call(method="GET", path="/batches", query=query), policy)
    return read(answer, BatchPage)


def submit(
    items: Iterable[str | NewItem],
    *,
    webhook_url: str | None,
    idempotency_key: str | None,
    policy: RetryPolicy,
) -> Operation[Batch]:
    """Hand over many videos in one request."""
    wanted = [NewItem(source_url=one) if isinstance(one, str) else one for one in items]
    content = {"items": [one.content() for one in wanted], **webhook_field(webhook_url)}
    call = Call(method="POST", path="/batches", content=content)
    answer: Answer = yield from send(recognisable(call, idempotency_key), policy)
    return (yield from _whole(read(answer, Batch), policy))


def get(batch_id: str, *, policy: RetryPolicy) -> Operation[Batch]:
    """A batch with all of its items; the counts are those of the last page."""
    answer: Answer = yield from send(Call(method="GET", path=_path(batch_id)), policy)
    return (yield from _whole(read(answer, Batch), policy))


def wait(
    batch_id: str,
    *,
    timeout_s: float | None,
    on_progress: OnBatchProgress | None,
    policy: RetryPolicy,
) -> Operation[Batch]:
    """Wait until every item of a batch has ended.

    Raises:
        BatchWaitTimedOut: Not all have ended in time.
    """
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    last: Batch | None = None
    while True:
        answer: Answer = yield from send(Call(method="GET", path=_path(batch_id)), policy)
        batch = read(answer, Batch)
        if on_progress is not None and batch != last:
            on_progress(batch)
        last = batch
        if batch.is_ended:
            return (yield from _whole(batch, policy))
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            waiting = batch.total - batch.ended
            raise BatchWaitTimedOut(
                f"{waiting} of {batch.total} items have not ended after {timeout_s:g} s.",
                batch=batch,
            )
        yield Sleep(seconds=min(pause_until_next_s(answer), left_s))


def cancel(batch_id: str, *, policy: RetryPolicy) -> Operation[Batch]:
    """Let no more of its items become videos, and cancel those of its videos that go on."""
    call = Call(method="POST", path=api_path("batches", batch_id, "cancel"))
    answer: Answer = yield from send(call, policy)
    return (yield from _whole(read(answer, Batch), policy))


def delete(batch_id: str, *, policy: RetryPolicy) -> Operation[None]:
    """Erase a batch with all of its videos."""
    yield from send(Call(method="DELETE", path=_path(batch_id)), policy)


def _whole(first: Batch, policy: RetryPolicy) -> Operation[Batch]:
    """A batch of which the first page of items has come, with the others."""
    batch, items = first, first.items
    while batch.next_cursor is not None:
        query = [("cursor", str(batch.next_cursor))]
        answer: Answer = yield from send(
            Call(method="GET", path=_path(first.id), query=query), policy
        )
        batch = read(answer, Batch)
        items += batch.items
    return batch.model_copy(update={"items": items})


def _path(batch_id: str) -> str:
    return api_path("batches", batch_id)
