"""What the API's description says of keys: every route that asks for one can turn callers away."""

from typing import Any, Final

from fastapi import FastAPI

from unmask_gateway.access.errors import (
    ApiKeyRequired,
    InvalidApiKey,
    MissingScope,
    StorageQuotaExceeded,
    TooManyRequests,
    TooManyUnfinishedVideos,
)
from unmask_gateway.problems import add_responses, document_errors
from unmask_shared.errors import ObjectStoreUnavailable, UnmaskError, VideoNotFound

# With keys, everything that asks for one looks it up in the object store.
_REFUSALS: Final[tuple[type[UnmaskError], ...]] = (
    ApiKeyRequired,
    InvalidApiKey,
    MissingScope,
    TooManyRequests,
    ObjectStoreUnavailable,
)
UPLOAD_REFUSALS: Final[tuple[type[UnmaskError], ...]] = (
    TooManyRequests,
    TooManyUnfinishedVideos,
    StorageQuotaExceeded,
)
"""How routes that bring videos in answer keys that may send no more."""


def describe_access(app: FastAPI, *, is_open: bool) -> None:
    """Add to every operation that asks for a key how it answers those who have none.

    Args:
        app: The application, with all routes.
        is_open: Whether keys are accepted without being needed.
    """
    describe = app.openapi
    refusals = document_errors(*_REFUSALS)
    not_yours = document_errors(VideoNotFound)

    def with_access() -> dict[str, Any]:
        description = describe()
        for path, methods in description["paths"].items():
            for operation in methods.values():
                if "security" not in operation:
                    continue
                if is_open and {} not in operation["security"]:
                    operation["security"].append({})
                add_responses(operation["responses"], refusals)
                if "{video_id}" in path:
                    add_responses(operation["responses"], not_yours)
        return description

    app.openapi = with_access  # type: ignore[method-assign] # FastAPI's documented way
