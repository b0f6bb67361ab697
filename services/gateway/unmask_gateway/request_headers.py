"""Headers of requests that more than one route reads."""

from starlette.requests import Request


def content_length(request: Request) -> int | None:
    """Bytes of the request's body, if the client told it in digits."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdecimal() else None
