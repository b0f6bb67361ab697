"""The Python client of Unmask: `Client` and `AsyncClient`."""

from unmask_client.async_client import AsyncClient
from unmask_client.client import Client
from unmask_client.errors import (
    AccessRefused,
    Conflict,
    ConnectionFailed,
    InvalidArgument,
    InvalidWebhook,
    NotFound,
    ProblemError,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    UnmaskClientError,
    WaitTimedOut,
)
from unmask_client.models import AnalysisOptions, Result, Status, Verdict, Video
from unmask_client.operations import VideoFilter
from unmask_client.retries import RetryPolicy
from unmask_client.webhooks import WebhookEvent, verify_webhook

__all__ = [
    "AccessRefused",
    "AnalysisOptions",
    "AsyncClient",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "InvalidArgument",
    "InvalidWebhook",
    "NotFound",
    "ProblemError",
    "Result",
    "RetryPolicy",
    "Status",
    "TooManyRequests",
    "Unavailable",
    "UnexpectedAnswer",
    "UnmaskClientError",
    "Verdict",
    "Video",
    "VideoFilter",
    "WaitTimedOut",
    "WebhookEvent",
    "verify_webhook",
]
