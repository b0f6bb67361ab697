"""The file of a video, as it was sent."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from fastapi import APIRouter, Request, Response, status
from fastapi.responses import StreamingResponse

from unmask_gateway.byte_ranges import ByteRange, is_known, wanted_range
from unmask_gateway.downloads import MEDIA_TYPES, attachment, media_type_of
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.problems import document_errors, problem_response
from unmask_gateway.routes.parameters import VideoId
from unmask_shared.artifacts import source_key
from unmask_shared.containers import SNIFF_BYTES
from unmask_shared.errors import (
    MalformedVideoId,
    ObjectNotFound,
    ObjectStoreUnavailable,
    RangeNotSatisfiable,
    UnmaskError,
    VideoNotFound,
)
from unmask_shared.object_store import ObjectStore

_HEADERS: Final = {
    "ETag": {"description": "The file's SHA-256.", "schema": {"type": "string"}},
    "Accept-Ranges": {"schema": {"type": "string", "enum": ["bytes"]}},
    "Content-Disposition": {
        "description": "The name under which the file was sent.",
        "schema": {"type": "string"},
    },
}
_CONTENT_RANGE: Final = {
    "Content-Range": {"schema": {"type": "string"}, "example": "bytes 0-1023/1843200"}
}
_BYTES: Final = {
    media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES
}
_NO_BODY: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The client has the file already.", "headers": _HEADERS}
}
_ERRORS: Final = document_errors(
    VideoNotFound,
    ObjectNotFound,
    MalformedVideoId,
    RangeNotSatisfiable,
    ObjectStoreUnavailable,
    UnmaskError,
)
SOURCE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole file.", "headers": _HEADERS, "content": _BYTES},
    206: {
        "description": "The stretch that `Range` asks for.",
        "headers": _HEADERS | _CONTENT_RANGE,
        "content": _BYTES,
    },
    **_NO_BODY,
    **_ERRORS,
}


class SourceAnswers:
    """Answers requests for the file of a video, whole or by ranges."""

    def __init__(self, *, store: ObjectStore, lookup: VideoLookup) -> None:
        self._store = store
        self._lookup = lookup

    def answer(self, request: Request, video_id: str) -> Response:
        """Answer `GET` and `HEAD`; raises the errors that `SOURCE_RESPONSES` describes."""
        upload = self._lookup.find(video_id).record.upload
        size, etag = upload.bytes, f'"{upload.sha256}"'
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            # Kept by the browser, but asked for again: the video may be erased meanwhile.
            "Cache-Control": "private, no-cache",
            "Content-Disposition": attachment(upload.filename),
        }
        if is_known(request.headers, etag=etag):
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
        try:
            stretch = wanted_range(request.headers, size=size, etag=etag)
        except RangeNotSatisfiable as error:
            return problem_response(request, error, {"Content-Range": f"bytes */{size}"})
        key = source_key(video_id)
        head = b"".join(self._store.read_range(key, start=0, length=min(size, SNIFF_BYTES)))
        media_type = media_type_of(head)
        code = status.HTTP_200_OK
        if stretch is not None:
            code = status.HTTP_206_PARTIAL_CONTENT
            headers["Content-Range"] = stretch.content_range(size)
        stretch = stretch or ByteRange(start=0, length=size)
        headers["Content-Length"] = str(stretch.length)
        if request.method == "HEAD":
            return Response(status_code=code, headers=headers, media_type=media_type)
        return StreamingResponse(
            _begun(self._store.read_range(key, start=stretch.start, length=stretch.length)),
            status_code=code,
            headers=headers,
            media_type=media_type,
        )


def make_source_router(answers: SourceAnswers) -> APIRouter:
    """Make `GET` and `HEAD /videos/{video_id}/source`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.get(
        "/{video_id}/source",
        summary="Download the file",
        response_class=Response,
        responses=SOURCE_RESPONSES,
    )
    def get_source(request: Request, video_id: VideoId) -> Response:
        """The file as it was sent, or a stretch of it: players seek by `Range`.

        Its media type is told from its first bytes, not from what its sender said.
        """
        return answers.answer(request, video_id)

    @router.head(
        "/{video_id}/source",
        summary="Ask for size and hash of the file",
        response_class=Response,
        responses={
            200: {"description": "Headers of the whole file.", "headers": _HEADERS},
            206: {
                "description": "Headers of the stretch.",
                "headers": _HEADERS | _CONTENT_RANGE,
            },
            **_NO_BODY,
            **_ERRORS,
        },
    )
    def head_source(request: Request, video_id: VideoId) -> Response:
        """The headers that `GET` would answer with."""
        return answers.answer(request, video_id)

    return router


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first piece now, while what goes wrong can still be answered with an error."""
    return chain([next(pieces, b"")], pieces)
