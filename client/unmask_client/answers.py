"""Reads answers of the API: typed values from successes, typed errors from problems."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from unmask_client.calls import Answer
from unmask_client.errors import (
    AccessRefused,
    Conflict,
    NotFound,
    ProblemError,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)

M = TypeVar("M", bound=BaseModel)

# Where the server does not say when to ask again.
_USUAL_PAUSE_S: Final = 1.0

_KINDS: Final[dict[int, type[ProblemError]]] = {
    401: AccessRefused,
    403: AccessRefused,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
_SHOWN_CHARACTERS: Final = 200


def read(answer: Answer, form: type[M]) -> M:
    """The value that the body of a success holds.

    Raises:
        UnexpectedAnswer: The body has another form.
    """
    try:
        return form.model_validate_json(answer.body)
    except ValidationError as error:
        raise UnexpectedAnswer(
            f"The answer with status {answer.status} is not a {form.__name__}: "
            f"{error.errors(include_url=False)[0]['msg']} in {_beginning(answer)}."
        ) from error


def read_problem(answer: Answer) -> ProblemError:
    """The error that an answer stands for which is no success.

    Proxies answer without a problem document; then the status has to do.
    """
    problem = _document(answer)
    status = answer.status
    return _KINDS.get(status, ProblemError)(
        str(problem.get("detail") or f"The server answered with status {status}."),
        status=status,
        code=str(problem.get("code") or f"http_{status}"),
        title=str(problem.get("title") or f"Status {status}"),
        action=_action(status, problem),
        retryable=problem.get("retryable") is True,
        retry_after_s=retry_after_s(answer.headers),
    )


def _action(status: int, problem: dict[str, Any]) -> str:
    """What to do, in the words of somebody who uses this client rather than HTTP."""
    if status == 401:
        return (
            "Set UNMASK_API_KEY (or `api_key`) to a key of this server, which its operator makes, "
            "for example with `unmask keys create`."
        )
    if problem.get("code") == "route_not_found" or "action" not in problem:
        return (
            "See whether UNMASK_URL names the gateway itself, without a path behind it, and "
            "whether client and server are of the same version."
        )
    return str(problem["action"])


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks to wait for, which may be a number or a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def pause_until_next_s(answer: Answer) -> float:
    """Seconds until one may ask again what became of something."""
    return retry_after_s(answer.headers) or _USUAL_PAUSE_S


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _beginning(answer: Answer) -> str:
    return repr(answer.body[:_SHOWN_CHARACTERS].decode(errors="replace"))
