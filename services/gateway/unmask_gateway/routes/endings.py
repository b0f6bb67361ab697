"""Cancelling and erasing videos."""

from typing import Final

from fastapi import APIRouter, Response, status

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.problems import document_errors
from unmask_gateway.routes.parameters import VideoId
from unmask_gateway.schemas import CANCELLED_EXAMPLE, Video
from unmask_shared import cancellation
from unmask_shared.erasure import erase_video
from unmask_shared.errors import (
    JobStoreUnavailable,
    MalformedVideoId,
    ObjectStoreUnavailable,
    UnmaskError,
    VideoAlreadyEnded,
    VideoNotFound,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore

_ERRORS: Final = (
    VideoNotFound,
    MalformedVideoId,
    ObjectStoreUnavailable,
    JobStoreUnavailable,
    UnmaskError,
)


def make_endings_router(
    *, store: ObjectStore, jobs: RedisJobStore, lookup: VideoLookup
) -> APIRouter:
    """Make `POST /videos/{video_id}/cancel` and `DELETE /videos/{video_id}`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.post(
        "/{video_id}/cancel",
        summary="Cancel a video",
        responses={
            200: {"content": {"application/json": {"example": CANCELLED_EXAMPLE}}},
            **document_errors(VideoAlreadyEnded, *_ERRORS),
        },
    )
    def cancel_video(video_id: VideoId, response: Response) -> Video:
        """End a video without a result; the file stays until the video is erased.

        A worker at it stops at its next sign of progress: while faces are searched that is a matter
        of frames, while they are judged of clips. A video that is cancelled already is
        answered in the same way.
        """
        cancellation.cancel_video(store, jobs, video_id)
        response.headers["Cache-Control"] = "no-store"
        return Video.of(lookup.find(video_id))

    @router.delete(
        "/{video_id}",
        status_code=status.HTTP_204_NO_CONTENT,
        summary="Erase a video",
        response_description="Nothing of the video is left.",
        responses=document_errors(*_ERRORS),
    )
    def delete_video(video_id: VideoId) -> None:
        """Erase the file, its faces, its result and whatever else there is, at any stage.

        A worker at it stops, and what it writes until then is erased too. An answer with status 503
        means that not all is erased yet: ask again.
        """
        if not erase_video(store, jobs, video_id):
            raise VideoNotFound(f"No video has the id {video_id}.")

    return router
