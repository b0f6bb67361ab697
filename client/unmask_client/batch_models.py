"""What a server tells of batches of videos."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from unmask_client.models import Failure

_ENDS = frozenset({"refused", "completed", "failed", "cancelled", "erased"})


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

    @property
    def ended(self) -> int:
        """Number of items that have come to an end."""
        return sum(count for status, count in self.counts.items() if status in _ENDS)
