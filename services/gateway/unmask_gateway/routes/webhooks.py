"""What became of a video's webhook."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.problems import document_errors
from unmask_gateway.routes.parameters import VideoId
from unmask_gateway.schemas import EXAMPLE_ID
from unmask_gateway.webhooks.documents import Delivery
from unmask_shared.artifacts import webhook_log_key
from unmask_shared.errors import (
    MalformedVideoId,
    ObjectStoreUnavailable,
    UnmaskError,
    VideoNotFound,
)
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document

_EXAMPLE: Final[dict[str, Any]] = {
    "url": "https://example.com/hooks/unmask",
    "deliveries": [
        {
            "schema_version": 1,
            "id": f"msg_{EXAMPLE_ID}",
            "event": "video.completed",
            "url": "https://example.com/hooks/unmask",
            "created_at": "2026-05-04T09:30:04Z",
            "status": "delivered",
            "attempts": [
                {
                    "at": "2026-05-04T09:30:04Z",
                    "status_code": 503,
                    "error": "the receiver refused",
                },
                {"at": "2026-05-04T09:30:09Z", "status_code": 204, "error": None},
            ],
            "next_attempt_at": None,
        }
    ],
}


class Webhooks(BaseModel):
    """The webhook of a video."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    url: Annotated[str | None, Field(description="Null where none was asked for.")]
    deliveries: Annotated[
        list[Delivery], Field(description="Empty until the video has ended and one was tried.")
    ]


def make_webhooks_router(*, store: ObjectStore, lookup: VideoLookup) -> APIRouter:
    """Make the route under `/videos/{video_id}/webhooks`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.get(
        "/{video_id}/webhooks",
        summary="Ask what became of the webhook of a video",
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}}},
            **document_errors(VideoNotFound, MalformedVideoId, ObjectStoreUnavailable, UnmaskError),
        },
    )
    def get_webhooks(video_id: VideoId, response: Response) -> Webhooks:
        """A message is sent when the video has ended, and again until somebody takes it.

        It is `video.completed`, `video.failed` or `video.cancelled`, with the video as `data`,
        signed as Standard Webhooks has it. Any 2xx status takes it; otherwise it is sent again for
        about a day. One that comes twice has the same `webhook-id`.
        """
        response.headers["Cache-Control"] = "no-store"
        record = lookup.find(video_id).record
        delivery = read_document(store, webhook_log_key(video_id), Delivery)
        return Webhooks(url=record.webhook_url, deliveries=[delivery] if delivery else [])

    return router
