"""The web page and its files."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_WEB: Final = Path(__file__).parent.parent / "web"
_LIMIT_PLACE: Final = "MAX_UPLOAD_BYTES"


def make_static_files() -> StaticFiles:
    """The files that the page loads."""
    return StaticFiles(directory=_WEB / "static")


def make_pages_router(*, max_upload_bytes: int) -> APIRouter:
    """Make the page at `/`, which tells people what is too large before they wait for it."""
    router = APIRouter(include_in_schema=False)
    page = (_WEB / "index.html").read_text().replace(_LIMIT_PLACE, str(max_upload_bytes))

    @router.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    return router
