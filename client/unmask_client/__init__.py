"""The Python client of Unmask: `Client` and `AsyncClient`."""

from unmask_client.async_client import AsyncClient
from unmask_client.batch_models import Batch
from unmask_client.batches import NewItem
from unmask_client.client import Client
from unmask_client.direct_uploads import Upload
from unmask_client.errors import (
    AccessRefused,
    BatchWaitTimedOut,
    Conflict,
    ConnectionFailed,
    InvalidArgument,
    InvalidWebhook,
    NotFound,
    PartRefused,
    ProblemError,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    UnmaskClientError,
    WaitTimedOut,
)
from unmask_client.models import AnalysisChanges, AnalysisOptions, Result, Status, Verdict, Video
from unmask_client.operations import VideoFilter
from unmask_client.outcome_messages import Webhooks
from unmask_client.retries import RetryPolicy
from unmask_client.webhooks import WebhookEvent, verify_webhook

__all__ = [
    "AccessRefused",
    "AnalysisChanges",
    "AnalysisOptions",
    "AsyncClient",
    "Batch",
    "BatchWaitTimedOut",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "InvalidArgument",
    "InvalidWebhook",
    "NewItem",
    "NotFound",
    "PartRefused",
    "ProblemError",
    "Result",
    "RetryPolicy",
    "Status",
    "TooManyRequests",
    "Unavailable",
    "UnexpectedAnswer",
    "UnmaskClientError",
    "Upload",
    "Verdict",
    "Video",
    "VideoFilter",
    "WaitTimedOut",
    "WebhookEvent",
    "Webhooks",
    "verify_webhook",
]
