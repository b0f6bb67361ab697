"""Sending videos in."""

from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response, status

from unmask_gateway.access.gate import CurrentCaller
from unmask_gateway.bodies import is_json
from unmask_gateway.forms import FILE_FIELD
from unmask_gateway.json_submissions import (
    JsonSubmissions,
    describe_json_body,
    describe_webhook_field,
)
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.options import describe_options
from unmask_gateway.problems import document_errors
from unmask_gateway.request_headers import content_length
from unmask_gateway.routes.accepted import queue_and_answer
from unmask_gateway.routes.polling import RETRY_AFTER, tell_pollers
from unmask_gateway.schemas import QUEUED_EXAMPLE, Video
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import Accepted, UploadReceiver
from unmask_shared.errors import (
    DirectUploadsOff,
    EmptyUpload,
    IdempotencyKeyReused,
    IdempotencyKeySpent,
    InvalidOption,
    InvalidRequest,
    MalformedUpload,
    ModelRefused,
    NotAVideo,
    ObjectStoreUnavailable,
    SourceUrlRefused,
    SourceUrlUnreachable,
    TooManyUploads,
    TruncatedUpload,
    UnknownModel,
    UnmaskError,
    UnsupportedContentType,
    UploadIncomplete,
    UploadNotFound,
    UploadStalled,
    UploadTooLarge,
    WebhooksOff,
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
                        **describe_webhook_field(),
                    },
                },
                "encoding": {FILE_FIELD: {"contentType": "video/*"}},
            },
            "application/json": describe_json_body(),
        },
    }
}
_HEADERS: Final[dict[str, Any]] = RETRY_AFTER | {
    "Location": {"description": "Path of the video.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` if the Idempotency-Key came before, and this is the video that it "
        "brought, as it stands now; absent for a new video.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="Any text of your choice, new for each video, such as a UUID. A request that "
        "is sent again with its key within a day brings no second video. With another file, file "
        "name or options it is refused; which file it is shows once it has arrived. A video that "
        "is deleted sets its key free.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]


def make_submissions_router(
    *,
    receiver: UploadReceiver,
    json_submissions: JsonSubmissions,
    submissions: Submissions,
    lookup: VideoLookup,
) -> APIRouter:
    """Make the routes by which videos come in."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.post(
        "",
        status_code=status.HTTP_202_ACCEPTED,
        summary="Submit a video",
        response_description="The video was accepted and waits to be processed.",
        responses={
            202: {
                "headers": _HEADERS,
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
                SourceUrlRefused,
                SourceUrlUnreachable,
                DirectUploadsOff,
                WebhooksOff,
                UploadNotFound,
                UploadIncomplete,
                InvalidOption,
                UnknownModel,
                ModelRefused,
                InvalidRequest,
                IdempotencyKeyReused,
                IdempotencyKeySpent,
                ObjectStoreUnavailable,
                TooManyUploads,
                UnmaskError,
            ),
        },
        openapi_extra=_UPLOAD_BODY,
    )
    async def submit_video(
        request: Request,
        response: Response,
        caller: CurrentCaller,
        idempotency_key: IdempotencyKey = None,
    ) -> Video:
        """Send a file in the field `file`, or JSON with its `source_url` or an `upload_id`.

        Then poll the `Location`. In a form, the options may come before the file or behind it, and
        a field that is not known is ignored. A URL is fetched before the answer comes, so a file
        that cannot be fetched is refused at once; send an Idempotency-Key if your client may lose
        patience.
        """
        content_type = request.headers.get("content-type")
        if is_json(content_type):
            accepted = await json_submissions.receive(
                await request.body(), caller=caller, idempotency_key=idempotency_key
            )
        else:
            accepted = await receiver.receive(
                request.stream(),
                content_type=content_type,
                content_length=content_length(request),
                owner=caller.key_id,
                idempotency_key=idempotency_key,
            )
        return await answer(accepted, response)

    async def answer(accepted: Accepted, response: Response) -> Video:
        record = accepted.record
        if not accepted.is_replay:
            return await queue_and_answer(record, submissions, response)
        video = Video.of(await to_thread.run_sync(lookup.find, record.id))
        response.headers["Location"] = f"/videos/{record.id}"
        response.headers["Idempotency-Replayed"] = "true"
        tell_pollers(response, again=not video.status.is_final)
        return video

    return router
