"""What a check of the object store and of Redis can find."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Sorts of inconsistency; docs/operations.md says of each what it means."""

    RECORD_UNREADABLE = "record_unreadable"
    RECORD_MISSING = "record_missing"
    OUTCOME_UNREADABLE = "outcome_unreadable"
    OUTCOME_MISSING = "outcome_missing"
    FACES_INCOMPLETE = "faces_incomplete"
    SOURCE_MISSING = "source_missing"
    SOURCE_DIFFERS = "source_differs"
    VIEW_DISAGREES = "view_disagrees"
    JOB_STUCK = "job_stuck"
    GHOST = "ghost"
    REMAINS = "remains"
    ORPHANED_OBJECT = "orphaned_object"
    WRITE_ABANDONED = "write_abandoned"
    UPLOAD_EXPIRED = "upload_expired"
    IDEMPOTENCY_DANGLING = "idempotency_dangling"
    WEBHOOK_LOST = "webhook_lost"
    WEBHOOK_OVERDUE = "webhook_overdue"
    WEBHOOK_STALE = "webhook_stale"
    KEY_UNREADABLE = "key_unreadable"


class LeftAloneError(Exception):
    """Something is not mended now; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One inconsistency.

    Attributes:
        kind: What sort it is.
        subject: Id of the video or of the upload, or key of the object.
        detail: What exactly was found.
        mend: Mends it and says what it did, or raises `LeftAloneError`; None where nobody but a
            person can.
    """

    kind: Kind
    subject: str
    detail: str
    mend: Callable[[], str] | None = None

    @property
    def identity(self) -> tuple[Kind, str, str]:
        """Tells whether two looks found the same."""
        return (self.kind, self.subject, self.detail)
