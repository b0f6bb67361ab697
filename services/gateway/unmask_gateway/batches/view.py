"""What is told of a batch: where each of its items stands, and how many stand where."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.batches.batches import Batches, Outcome
from unmask_gateway.batches.documents import Batch, RefusedItem
from unmask_gateway.idempotency import BoundKey
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.schemas import EXAMPLE_ID
from unmask_gateway.webhooks.dispatcher import Ended
from unmask_shared.errors import BatchNotFound, VideoNotFound
from unmask_shared.job_store import RedisJobStore
from unmask_shared.videos import ErasedItem, Failure


class ItemStatus(StrEnum):
    """Where an item of a batch stands; from `queued` on it is the status of its video."""

    PENDING = "pending"
    REFUSED = "refused"
    QUEUED = "queued"
    PREPROCESSING = "preprocessing"
    INFERRING = "inferring"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ERASED = "erased"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self in _FINAL


_FINAL: Final = frozenset(
    {
        ItemStatus.REFUSED,
        ItemStatus.COMPLETED,
        ItemStatus.FAILED,
        ItemStatus.CANCELLED,
        ItemStatus.ERASED,
    }
)
_EXAMPLE_BATCH_ID: Final = "01890a5e-1f00-7b1c-8d3e-5a1f7c2b9e04"
BATCH_EXAMPLE: Final[dict[str, Any]] = {
    "id": _EXAMPLE_BATCH_ID,
    "created_at": "2026-05-04T09:30:00Z",
    "is_ended": False,
    "is_cancelled": False,
    "webhook_url": None,
    "total": 3,
    "counts": {status.value: 0 for status in ItemStatus}
    | {"pending": 1, "refused": 1, "inferring": 1},
    "items": [
        {
            "number": 0,
            "status": "inferring",
            "video_id": EXAMPLE_ID,
            "filename": "interview.mp4",
            "problem": None,
        },
        {
            "number": 1,
            "status": "refused",
            "video_id": None,
            "filename": None,
            "problem": {
                "code": "upload_not_found",
                "title": "There is no such upload",
                "detail": "No upload has the id 01890a5d-ac96-774b-bcce-b302099a8057, or it has "
                "expired.",
                "action": "Begin a new one with POST /uploads.",
                "retryable": False,
            },
        },
    ],
    "next_cursor": 2,
}


class BatchItem(BaseModel):
    """One item of a batch, and what became of it."""

    model_config = ConfigDict(frozen=True)

    number: Annotated[int, Field(ge=0, description="Its place among those that were sent.")]
    status: ItemStatus
    video_id: Annotated[str | None, Field(description="Null while it is pending, and if refused.")]
    filename: Annotated[str | None, Field(description="Null where there is no video.")]
    problem: Annotated[
        Failure | None, Field(description="Why it became no video; null unless it is `refused`.")
    ]


class BatchInfo(BaseModel):
    """A batch, and a page of its items."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [BATCH_EXAMPLE]})

    id: str
    created_at: datetime
    is_ended: Annotated[bool, Field(description="Whether every item has come to an end.")]
    is_cancelled: bool
    webhook_url: Annotated[str | None, Field(description="Null where no message was asked for.")]
    total: Annotated[int, Field(ge=1, description="Number of items.")]
    counts: Annotated[dict[ItemStatus, int], Field(description="Number of items by status.")]
    items: Annotated[tuple[BatchItem, ...], Field(description="In the order they were sent.")]
    next_cursor: Annotated[
        int | None, Field(description="Send it as `cursor` for the next page; null on the last.")
    ]


class BatchView:
    """Describes batches; safe to use from several threads."""

    def __init__(self, *, batches: Batches, jobs: RedisJobStore, lookup: VideoLookup) -> None:
        self._batches = batches
        self._jobs = jobs
        self._lookup = lookup

    def describe(self, batch: Batch, *, first: int = 0, limit: int = 100) -> BatchInfo:
        """Where a batch stands.

        Args:
            batch: The batch.
            first: Number of the first item of the page.
            limit: Most items of the page.

        Raises:
            DependencyUnavailable: Redis or the object store does not answer.
        """
        outcomes = self._batches.outcomes(batch)
        is_cancelled = self._batches.is_cancelled(batch)
        statuses = self._statuses(batch, outcomes, is_cancelled=is_cancelled)
        last = min(first + limit, batch.total)
        counted = Counter(statuses)
        return BatchInfo(
            id=batch.id,
            created_at=batch.created_at,
            is_ended=all(status.is_final for status in statuses),
            is_cancelled=is_cancelled,
            webhook_url=batch.webhook_url,
            total=batch.total,
            counts={status: counted[status] for status in ItemStatus},
            items=tuple(
                _item(number, statuses[number], outcomes.get(number))
                for number in range(first, last)
            ),
            next_cursor=last if last < batch.total else None,
        )

    def how_it_ended(self, batch_id: str) -> Ended | None:
        """What a message about the batch tells, with as many items as it has; None before its end.

        Raises:
            BatchNotFound: It was erased.
            DependencyUnavailable: Redis or the object store does not answer.
        """
        batch = self._batches.read(batch_id)
        if batch is None:
            raise BatchNotFound(f"No batch has the id {batch_id}.")
        info = self.describe(batch, limit=batch.total)
        if not info.is_ended:
            return None
        return Ended(event="batch.ended", url=batch.webhook_url, data=info)

    def _statuses(
        self, batch: Batch, outcomes: Mapping[int, Outcome], *, is_cancelled: bool
    ) -> list[ItemStatus]:
        waiting = ItemStatus.CANCELLED if is_cancelled else ItemStatus.PENDING
        statuses = [waiting] * batch.total
        videos: dict[int, str] = {}
        for number, outcome in outcomes.items():
            if isinstance(outcome, BoundKey):
                videos[number] = outcome.record.id
            else:
                is_refused = isinstance(outcome, RefusedItem)
                statuses[number] = ItemStatus.REFUSED if is_refused else ItemStatus.ERASED
        positions = self._jobs.catalogue.positions(list(videos.values()))
        for (number, video_id), at in zip(videos.items(), positions, strict=True):
            if at is not None:
                statuses[number] = ItemStatus(at.status)
            else:
                statuses[number] = self._look_closer(batch, number, video_id)
        return statuses

    def _look_closer(self, batch: Batch, number: int, video_id: str) -> ItemStatus:
        """A video that Redis does not know: it was erased, Redis lost it, or it has just begun."""
        try:
            return ItemStatus(self._lookup.find(video_id).status)
        except VideoNotFound:
            is_erased = isinstance(self._batches.look_again(batch, number), ErasedItem)
            return ItemStatus.ERASED if is_erased else ItemStatus.PENDING


def _item(number: int, status: ItemStatus, outcome: Outcome | None) -> BatchItem:
    record = outcome.record if isinstance(outcome, BoundKey) else None
    erased = status is ItemStatus.ERASED
    return BatchItem(
        number=number,
        status=status,
        video_id=record.id if record else getattr(outcome, "erased", None),
        filename=record.upload.filename if record and not erased else None,
        problem=outcome.refused if isinstance(outcome, RefusedItem) else None,
    )
