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
from unmask_client.retries import RetryPolicy

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
    "WaitTimedOut",
]
