"""Videos: sending one in, and asking what became of it."""

import logging
import re
from typing import Annotated, Any, Final

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request, Response, status

from unmask_gateway.access.gate import CurrentCaller
from unmask_gateway.forms import FILE_FIELD
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.options import describe_options
from unmask_gateway.problems import document_errors
from unmask_gateway.schemas import (
    COMPLETED_EXAMPLE,
    EXAMPLE_ID,
    FAILED_EXAMPLE,
    QUEUED_EXAMPLE,
    Video,
)
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import UploadReceiver
from unmask_shared.errors import (
    EmptyUpload,
    InvalidOption,
    InvalidRequest,
    MalformedUpload,
    MalformedVideoId,
    NotAVideo,
    ObjectNotFound,
    ObjectStoreUnavailable,
    TooManyUploads,
    TruncatedUpload,
    UnmaskError,
    UnsupportedContentType,
    UploadStalled,
    UploadTooLarge,
    VideoNotFound,
)

log = logging.getLogger(__name__)

# An accepted video is safe; its queueing may go on after the answer.
_ANNOUNCE_PATIENCE_S: Final = 3.0
_POLL_AFTER_S: Final = 1
_UUID7: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII
)

_UPLOAD_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILE_FIELD],
                    "properties": {
                        FILE_FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": "MP4, MOV, WebM, MKV, AVI, MPEG, FLV, WMV, OGV or GIF.",
                        },
                        **describe_options(),
                    },
                },
                "encoding": {FILE_FIELD: {"contentType": "video/*"}},
            }
        },
    }
}
_LOCATION: Final = {
    "Location": {"description": "Path of the new video.", "schema": {"type": "string"}}
}
_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Seconds to wait before asking again; absent once nothing will change.",
        "schema": {"type": "integer"},
    }
}


async def parse_video_id(
    video_id: Annotated[
        str, Path(description="The id that POST /videos returned.", examples=[EXAMPLE_ID])
    ],
) -> str:
    """Refuse what can never be the id of a video.

    Raises:
        MalformedVideoId: It is not a UUIDv7 in its canonical form.
    """
    if not _UUID7.fullmatch(video_id):
        raise MalformedVideoId(f"{video_id[:64]!r} is not a UUID of version 7 in lower case.")
    return video_id


VideoId = Annotated[str, Depends(parse_video_id)]
TrackId = Annotated[int, Path(ge=0, le=9999, description="`track_id` of the face.")]
HeatmapNumber = Annotated[
    int, Path(ge=0, le=99, description="Position among the heatmaps of the face.")
]


def make_videos_router(
    *, receiver: UploadReceiver, submissions: Submissions, lookup: VideoLookup
) -> APIRouter:
    """Make the routes under `/videos`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.post(
        "",
        status_code=status.HTTP_202_ACCEPTED,
        summary="Submit a video",
        response_description="The video was accepted and waits to be processed.",
        responses={
            202: {
                "headers": _LOCATION | _RETRY_AFTER,
                "content": {"application/json": {"example": QUEUED_EXAMPLE}},
            },
            **document_errors(
                MalformedUpload,
                TruncatedUpload,
                EmptyUpload,
                UploadStalled,
                UploadTooLarge,
                UnsupportedContentType,
                NotAVideo,
                InvalidOption,
                ObjectStoreUnavailable,
                TooManyUploads,
                UnmaskError,
            ),
        },
        openapi_extra=_UPLOAD_BODY,
    )
    async def submit_video(request: Request, response: Response, caller: CurrentCaller) -> Video:
        """Send one file in the field `file`; poll the `Location` for the outcome.

        The options may come before the file or behind it. A field that is not known is ignored.
        """
        record = await receiver.receive(
            request.stream(),
            content_type=request.headers.get("content-type"),
            content_length=_content_length(request),
            owner=caller.key_id,
        )
        with anyio.move_on_after(_ANNOUNCE_PATIENCE_S) as patience:
            await to_thread.run_sync(submissions.announce, record, abandon_on_cancel=True)
        if patience.cancelled_caught:
            log.warning("queueing takes long", extra={"video_id": record.id})
        response.headers["Location"] = f"/videos/{record.id}"
        _tell_pollers(response, again=True)
        return Video.just_accepted(record)

    @router.get(
        "/{video_id}",
        summary="Ask what became of a video",
        responses={
            200: {
                "headers": _RETRY_AFTER,
                "content": {
                    "application/json": {
                        "examples": {
                            "queued": {"value": QUEUED_EXAMPLE},
                            "completed": {"value": COMPLETED_EXAMPLE},
                            "failed": {"value": FAILED_EXAMPLE},
                        }
                    }
                },
            },
            **document_errors(VideoNotFound, MalformedVideoId, ObjectStoreUnavailable, UnmaskError),
        },
    )
    def get_video(video_id: VideoId, response: Response) -> Video:
        """The status goes from `queued` over `preprocessing` and `inferring` to a final one."""
        video = Video.of(lookup.find(video_id))
        _tell_pollers(response, again=not video.status.is_final)
        return video

    @router.get(
        "/{video_id}/faces/{track_id}/thumbnail",
        summary="Picture of a face",
        response_class=Response,
        responses=_picture_responses("image/jpeg"),
    )
    def get_thumbnail(video_id: VideoId, track_id: TrackId) -> Response:
        """A JPEG of the face, there from the end of preprocessing on."""
        return _picture(lookup.thumbnail(video_id, track_id), "image/jpeg")

    @router.get(
        "/{video_id}/faces/{track_id}/landmarks",
        summary="Picture of a face with its 68 landmarks",
        response_class=Response,
        responses=_picture_responses("image/png"),
    )
    def get_landmarks(video_id: VideoId, track_id: TrackId) -> Response:
        """A PNG, there from the end of preprocessing on if `landmark_overlays` was asked for.

        The landmarks come from dlib's 68-point model, trained on iBUG 300-W, whose licence excludes
        commercial use.
        """
        return _picture(lookup.landmarks(video_id, track_id), "image/png")

    @router.get(
        "/{video_id}/heatmaps/{track_id}/{number}",
        summary="Where the network saw signs of a forgery",
        response_class=Response,
        responses=_picture_responses("image/webp"),
    )
    def get_heatmap(video_id: VideoId, track_id: TrackId, number: HeatmapNumber) -> Response:
        """A WebP picture of a face, there once the video is judged if `heatmaps` was asked for.

        The face is grey, and the brighter a place is coloured, the more it speaks for a forgery
        (Grad-CAM); 1 on its scale is the strongest evidence in its segment, for or against.
        """
        return _picture(lookup.heatmap(video_id, track_id, number), "image/webp")

    return router


def _picture_responses(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}},
        **document_errors(
            ObjectNotFound,
            MalformedVideoId,
            InvalidRequest,
            ObjectStoreUnavailable,
            UnmaskError,
        ),
    }


def _picture(content: bytes, media_type: str) -> Response:
    return Response(
        content, media_type=media_type, headers={"Cache-Control": "private, max-age=300"}
    )


def _tell_pollers(response: Response, *, again: bool) -> None:
    response.headers["Cache-Control"] = "no-store"
    if again:
        response.headers["Retry-After"] = str(_POLL_AFTER_S)


def _content_length(request: Request) -> int | None:
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdecimal() else None
