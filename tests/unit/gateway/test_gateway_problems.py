import asyncio

import httpx
import pytest
from fastapi import FastAPI

from unmask_gateway.problems import document_errors, install_problem_handlers
from unmask_shared.errors import EmptyUpload, MalformedUpload, ObjectStoreUnavailable, UnmaskError


def answer(error: Exception) -> httpx.Response:
    """What an application answers whose only route fails with the error."""
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/fails")
    async def fails() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/fails")

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", [EmptyUpload, MalformedUpload, ObjectStoreUnavailable])
def test_typed_errors_keep_their_status_words_and_code(kind: type[UnmaskError]) -> None:
    response = answer(kind("exactly this"))
    assert response.status_code == kind.http_status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": f"urn:unmask:problem:{kind.code}",
        "title": kind.title,
        "status": kind.http_status,
        "detail": "exactly this",
        "instance": "/fails",
        "code": kind.code,
        "action": kind.action,
        "retryable": kind.retryable,
    }


def test_unexpected_errors_show_no_internals() -> None:
    response = answer(RuntimeError("password=hunter2"))
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "hunter2" not in response.text
    assert "RuntimeError" not in response.text


def test_what_is_down_for_a_moment_says_when_to_come_back() -> None:
    assert int(answer(ObjectStoreUnavailable()).headers["retry-after"]) > 0
    assert "retry-after" not in answer(EmptyUpload()).headers


def test_errors_with_the_same_status_are_described_together() -> None:
    described = document_errors(EmptyUpload, MalformedUpload)
    assert set(described) == {400}
    examples = described[400]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {EmptyUpload.code, MalformedUpload.code}
