"""Videos that were accepted: asking what became of them."""

from typing import Any

from fastapi import APIRouter, Response

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.problems import document_errors
from unmask_gateway.routes.parameters import HeatmapNumber, TrackId, VideoId
from unmask_gateway.routes.polling import RETRY_AFTER, tell_pollers
from unmask_gateway.schemas import (
    COMPLETED_EXAMPLE,
    FAILED_EXAMPLE,
    QUEUED_EXAMPLE,
    Video,
)
from unmask_gateway.video_answers import VideoAnswers
from unmask_shared.errors import (
    InvalidRequest,
    MalformedVideoId,
    ObjectNotFound,
    ObjectStoreUnavailable,
    UnmaskError,
    VideoNotFound,
)


def make_videos_router(*, lookup: VideoLookup, answers: VideoAnswers) -> APIRouter:
    """Make the routes about videos that were accepted."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.get(
        "/{video_id}",
        response_model=Video,
        summary="Ask what became of a video",
        responses={
            200: {
                "headers": RETRY_AFTER,
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
    async def get_video(video_id: VideoId) -> Response:
        """The status goes from `queued` over `preprocessing` and `inferring` to a final one."""
        answer = await answers.about(video_id)
        response = Response(answer.body, media_type="application/json")
        tell_pollers(response, again=not answer.is_final)
        return response

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
