"""Errors as RFC 9457 problem documents, in responses and in the API's description."""

import logging
from collections import defaultdict
from typing import Annotated, Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from unmask_gateway.access.errors import TooManyRequests
from unmask_shared.errors import (
    InvalidRequest,
    MethodNotAllowed,
    RouteNotFound,
    UnmaskError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5
# What requests hold may be in here, and has no end of its own.
_MOST_CHARACTERS: Final = 1000
_MOST_FAULTS: Final = 10
_STATUS_ERRORS: Final[dict[int, type[UnmaskError]]] = {404: RouteNotFound, 405: MethodNotAllowed}


class Problem(BaseModel):
    """What was wrong, for programs and for people."""

    model_config = ConfigDict(frozen=True)

    type: Annotated[str, Field(description="Names the kind of problem; the code as a URN.")]
    title: Annotated[str, Field(description="The kind of problem, in words.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What exactly was wrong this time.")]
    instance: Annotated[str | None, Field(description="Path of the request.")]
    code: Annotated[str, Field(description="Stable name of the problem, to branch on.")]
    action: Annotated[str, Field(description="What can be done about it.")]
    retryable: Annotated[bool, Field(description="Whether the same request may work later.")]


def problem_of(error: UnmaskError, instance: str | None) -> Problem:
    """Describe an error that met a request to the path `instance`."""
    return Problem(
        type=f"urn:unmask:problem:{error.code}",
        title=error.title,
        status=error.http_status,
        detail=_shortened(error.detail),
        instance=None if instance is None else _shortened(instance),
        code=error.code,
        action=error.action,
        retryable=error.retryable,
    )


def document_errors(*errors: type[UnmaskError]) -> dict[int | str, dict[str, Any]]:
    """Describe the errors that a route can answer with, for FastAPI's `responses`."""
    by_status: defaultdict[int, list[type[UnmaskError]]] = defaultdict(list)
    for error in errors:
        by_status[error.http_status].append(error)
    return {
        status: {
            "description": "; ".join(f"{kind.title} (`{kind.code}`)" for kind in kinds),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        kind.code: {"value": problem_of(kind(), "/videos").model_dump()}
                        for kind in kinds
                    },
                }
            },
        }
        for status, kinds in sorted(by_status.items())
    }


def add_responses(
    responses: dict[str, dict[str, Any]], added: dict[int | str, dict[str, Any]]
) -> None:
    """Add responses without taking anything away, also when this was done before."""
    for status, response in added.items():
        if str(status) not in responses:
            responses[str(status)] = response
            continue
        examples = responses[str(status)]["content"][MEDIA_TYPE]["examples"]
        new = response["content"][MEDIA_TYPE]["examples"]
        responses[str(status)]["content"][MEDIA_TYPE]["examples"] = examples | new


def describe_problem_schema(app: FastAPI) -> None:
    """Add the schema that `document_errors` refers to, which no route names as its model."""
    describe = app.openapi

    def with_problem() -> dict[str, Any]:
        description = describe()
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        return description

    app.openapi = with_problem  # type: ignore[method-assign] # FastAPI's documented way


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error, also those of the framework, with a problem document."""
    app.add_exception_handler(UnmaskError, _on_typed)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_unexpected)


def problem_response(
    request: Request, error: UnmaskError, headers: dict[str, str] | None = None
) -> Response:
    """Answer with a problem document, for routes that add headers to it."""
    problem = problem_of(error, request.url.path)
    all_headers = {"Cache-Control": "no-store", **(headers or {})}
    if error.http_status == 401:
        all_headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests):
        all_headers["Retry-After"] = str(error.retry_after_s)
    if error.retryable and error.http_status == 503:
        all_headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(
        problem.model_dump_json(),
        status_code=problem.status,
        headers=all_headers,
        media_type=MEDIA_TYPE,
    )


async def _on_typed(request: Request, error: Exception) -> Response:
    if not isinstance(error, UnmaskError):
        raise error
    if error.http_status >= 500:
        log.warning("%s %s: %s", request.method, request.url.path, error.detail)
    return problem_response(request, error)


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    kind = _STATUS_ERRORS.get(error.status_code, InvalidRequest)
    detail = f"{request.method} {request.url.path} is not served."
    if error.status_code == 400:  # what the framework says of a body
        detail = f"{error.detail}."
    headers = dict(error.headers or {})
    if kind is MethodNotAllowed and (methods := _methods_of(request)):
        headers["Allow"] = ", ".join(methods)
    return problem_response(request, kind(detail), headers)


def _methods_of(request: Request) -> list[str]:
    """All methods of a path, of which the framework names those of one route only."""
    described: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    return sorted(
        method.upper()
        for template, operations in described.items()
        if compile_path(template)[0].match(request.url.path)
        for method in operations
    )


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    faults = [
        f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
        for fault in found[:_MOST_FAULTS]
    ]
    if len(found) > _MOST_FAULTS:
        faults.append(f"and {len(found) - _MOST_FAULTS} more")
    return problem_response(request, InvalidRequest("; ".join(faults)))


async def _on_unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001
    # The server logs the exception; its text may hold internals and stays out of the response.
    return problem_response(request, UnmaskError())


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}\u2026"
