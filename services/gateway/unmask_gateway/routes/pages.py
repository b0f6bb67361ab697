"""The web page and its files."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_WEB: Final = Path(__file__).parent.parent / "web"
_LIMIT_PLACE: Final = "MAX_UPLOAD_BYTES"
_KEY_PLACE: Final = "ASKS_FOR_KEY"
_MODULES_PLACE: Final = "<!-- MODULES -->"
# Kept by the browser, but asked for again: a page of one version must not run scripts of another.
_REVALIDATED: Final = {"Cache-Control": "no-cache"}


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(Headers(_REVALIDATED))
        return response


def make_static_files() -> StaticFiles:
    """The files that the page loads."""
    return _Assets(directory=_WEB / "static")


def make_pages_router(*, max_upload_bytes: int, asks_for_key: bool) -> APIRouter:
    """Make the page at `/`, which tells people what is too large before they wait for it.

    Each of its views has an address of its own below `/app`; the page's script shows it.

    Args:
        max_upload_bytes: Largest video that is accepted.
        asks_for_key: Whether the page has to ask people for an API key.
    """
    router = APIRouter(include_in_schema=False)
    page = (_WEB / "index.html").read_text()
    page = page.replace(_LIMIT_PLACE, str(max_upload_bytes))
    page = page.replace(_KEY_PLACE, "true" if asks_for_key else "false")
    page = page.replace(_MODULES_PLACE, _preloads())

    @router.get("/")
    @router.get("/app/{view:path}")
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers=_REVALIDATED)

    return router


def _preloads() -> str:
    """Links that have the browser fetch all modules at once, not each when it is imported."""
    names = sorted(path.name for path in (_WEB / "static").glob("*.js"))
    return "".join(f'<link rel="modulepreload" href="/static/{name}">\n    ' for name in names)
