"""The web page and its files."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_WEB: Final = Path(__file__).parent.parent / "web"
_LIMIT_PLACE: Final = "MAX_UPLOAD_BYTES"
_KEY_PLACE: Final = "ASKS_FOR_KEY"


def make_static_files() -> StaticFiles:
    """The files that the page loads."""
    return StaticFiles(directory=_WEB / "static")


def make_pages_router(*, max_upload_bytes: int, asks_for_key: bool) -> APIRouter:
    """Make the page at `/`, which tells people what is too large before they wait for it.

    Args:
        max_upload_bytes: Largest video that is accepted.
        asks_for_key: Whether the page has to ask people for an API key.
    """
    router = APIRouter(include_in_schema=False)
    page = (_WEB / "index.html").read_text()
    page = page.replace(_LIMIT_PLACE, str(max_upload_bytes))
    page = page.replace(_KEY_PLACE, "true" if asks_for_key else "false")

    @router.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    return router
