"""Tells clients when to ask again."""

from typing import Any, Final

from fastapi import Response

_POLL_AFTER_S: Final = 1

RETRY_AFTER: Final[dict[str, Any]] = {
    "Retry-After": {
        "description": "Seconds to wait before asking again; absent once nothing will change.",
        "schema": {"type": "integer"},
    }
}
"""What the API's description says of the header."""


def tell_pollers(response: Response, *, again: bool) -> None:
    """Keep caches from answering, and say when to ask again if anything may change."""
    response.headers["Cache-Control"] = "no-store"
    if again:
        response.headers["Retry-After"] = str(_POLL_AFTER_S)
