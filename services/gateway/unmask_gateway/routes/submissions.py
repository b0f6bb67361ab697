"""Sending videos in."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response, status

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
from unmask_gateway.routes.accepted import ACCEPTED_HEADERS, answer_accepted
from unmask_gateway.routes.parameters import IdempotencyKey
from unmask_gateway.schemas import QUEUED_EXAMPLE, Video
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import UploadReceiver
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
    QueueFull,
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
                    "additionalProperties": False,
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
                "example": {FILE_FIELD: "(the bytes of the file)", "heatmaps": True},
                "encoding": {FILE_FIELD: {"contentType": "video/*"}},
            },
            "application/json": describe_json_body(),
        },
    }
}


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
                "headers": ACCEPTED_HEADERS,
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
                QueueFull,
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

        Then poll the `Location`. In a form, the options may come before the file or behind it; a
        field that is not known is refused, as in JSON. A URL is fetched before the answer comes, so
        a file that cannot be fetched is refused at once; send an Idempotency-Key if your client may
        lose patience.
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
                caller=caller,
                idempotency_key=idempotency_key,
            )
        return await answer_accepted(
            accepted, submissions=submissions, lookup=lookup, response=response
        )

    return router
