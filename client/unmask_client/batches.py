"""Batches of videos that a server has: what it tells of them, and how it is asked."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from unmask_client.answers import read
from unmask_client.calls import Answer, Call, Operation, api_path
from unmask_client.errors import InvalidArgument
from unmask_client.models import AnalysisOptions, Failure
from unmask_client.operations import recognisable
from unmask_client.retries import RetryPolicy, send


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
        return {
            **{name: place for name, place in places.items() if place is not None},
            **self.options.model_dump(mode="json", exclude_defaults=True),
        }


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


def submit(
    items: Iterable[str | NewItem],
    *,
    webhook_url: str | None,
    idempotency_key: str | None,
    policy: RetryPolicy,
) -> Operation[Batch]:
    """Hand over many videos in one request."""
    wanted = [NewItem(source_url=one) if isinstance(one, str) else one for one in items]
    content: dict[str, Any] = {"items": [one.content() for one in wanted]}
    if webhook_url is not None:
        content["webhook_url"] = webhook_url
    call = Call(method="POST", path="/batches", content=content)
    answer: Answer = yield from send(recognisable(call, idempotency_key), policy)
    return (yield from _whole(read(answer, Batch), policy))


def get(batch_id: str, *, policy: RetryPolicy) -> Operation[Batch]:
    """A batch with all of its items; the counts are those of the last page."""
    answer: Answer = yield from send(Call(method="GET", path=_path(batch_id)), policy)
    return (yield from _whole(read(answer, Batch), policy))


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
