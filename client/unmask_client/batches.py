"""Batches of videos that a server has: what it tells of them, and how it is asked."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from unmask_client.answers import read
from unmask_client.calls import Answer, Call, Operation, api_path
from unmask_client.models import Failure
from unmask_client.retries import RetryPolicy, send


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class BatchSummary(_Document):
    """A batch in a list.

    Attributes:
        total: Number of its items.
        is_open: Whether items may still wait to become videos or problems.
    """

    id: str
    created_at: datetime
    total: int
    is_open: bool
    is_cancelled: bool


class BatchPage(_Document):
    """Some batches of a list, and where it goes on."""

    batches: tuple[BatchSummary, ...]
    next_cursor: str | None


class BatchItem(_Document):
    """An item of a batch; a newer server may know other statuses than this client."""

    number: int
    status: str
    video_id: str | None
    filename: str | None
    problem: Failure | None


class Batch(_Document):
    """A batch with its items.

    Attributes:
        counts: Number of items by status.
    """

    id: str
    created_at: datetime
    is_ended: bool
    is_cancelled: bool
    webhook_url: str | None
    total: int
    counts: dict[str, int]
    items: tuple[BatchItem, ...]
    next_cursor: int | None


def page(cursor: str | None, *, policy: RetryPolicy) -> Operation[BatchPage]:
    """One page of a list, the newest batches first."""
    query = [("limit", "100")] if cursor is None else [("limit", "100"), ("cursor", cursor)]
    answer: Answer = yield from send(Call(method="GET", path="/batches", query=query), policy)
    return read(answer, BatchPage)


def get(batch_id: str, *, policy: RetryPolicy) -> Operation[Batch]:
    """A batch with all of its items; the counts are those of the last page."""
    items: tuple[BatchItem, ...] = ()
    cursor: int | None = 0
    while True:
        call = Call(
            method="GET", path=api_path("batches", batch_id), query=[("cursor", str(cursor))]
        )
        answer: Answer = yield from send(call, policy)
        batch = read(answer, Batch)
        items += batch.items
        cursor = batch.next_cursor
        if cursor is None:
            return batch.model_copy(update={"items": items})
