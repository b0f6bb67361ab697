"""What the API tells of the messages that it sent about the end of a video."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Attempt(_Document):
    """One attempt to deliver a message; without an `error` it was taken."""

    at: datetime
    status_code: int | None
    error: str | None


class Delivery(_Document):
    """A message, and what became of it.

    Attributes:
        id: The `webhook-id` header of every attempt.
        event: Such as `video.completed`.
        status: `waiting` for the next attempt, `delivered` or `given_up`.
        next_attempt_at: None once there will be no more.
    """

    id: str
    event: str
    url: str
    created_at: datetime
    status: str
    attempts: tuple[Attempt, ...] = ()
    next_attempt_at: datetime | None = None


class Webhooks(_Document):
    """Where the outcome of a video is sent, if anywhere; no deliveries until it has ended."""

    url: str | None
    deliveries: tuple[Delivery, ...]
