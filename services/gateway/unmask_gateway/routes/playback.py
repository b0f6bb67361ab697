"""Playing a video where a key is asked for, which players cannot send."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.access.errors import PlaybackNotFound
from unmask_gateway.access.gate import CurrentCaller
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.playback import TOKEN_PATTERN, Playback
from unmask_gateway.problems import document_errors
from unmask_gateway.routes.parameters import VideoId
from unmask_gateway.routes.source import SOURCE_RESPONSES, SourceAnswers
from unmask_shared.errors import (
    InvalidRequest,
    JobStoreUnavailable,
    MalformedVideoId,
    ObjectStoreUnavailable,
    UnmaskError,
    VideoNotFound,
)

_EXAMPLE_TOKEN: Final = "q3Zl0Vd7nXy1cRk8bT5mWg2hJs9fPu4eAo6iDqLxNtE"  # noqa: S105 - opens nothing


class PlaybackInfo(BaseModel):
    """Where a player can load a video from."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "url": f"/playback?token={_EXAMPLE_TOKEN}",
                "expires_at": "2026-05-04T10:30:00Z",
            }
        },
    )

    url: Annotated[
        str, Field(description="Path and query, for this video alone; whoever has it can play it.")
    ]
    expires_at: datetime


def make_playback_router(*, playback: Playback, lookup: VideoLookup) -> APIRouter:
    """Make `GET /videos/{video_id}/playback`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.get(
        "/{video_id}/playback",
        summary="Get an address for players",
        responses=document_errors(
            VideoNotFound,
            MalformedVideoId,
            ObjectStoreUnavailable,
            JobStoreUnavailable,
            UnmaskError,
        ),
    )
    def get_playback(video_id: VideoId, response: Response, caller: CurrentCaller) -> PlaybackInfo:
        """For an hour it needs no key, so that players can load the file by ranges; keep it secret.

        It ends within seconds when the key is revoked with which it was asked for.
        """
        lookup.find(video_id)
        address = playback.begin(video_id, caller)
        response.headers["Cache-Control"] = "no-store"
        return PlaybackInfo(url=f"/playback?token={address.token}", expires_at=address.expires_at)

    return router


def make_playing_router(*, playback: Playback, answers: SourceAnswers) -> APIRouter:
    """Make `GET /playback`, which asks for no key: its token is the right to one video."""
    router = APIRouter(tags=["videos"])
    responses: dict[int | str, dict[str, Any]] = SOURCE_RESPONSES | document_errors(
        PlaybackNotFound, VideoNotFound, InvalidRequest, JobStoreUnavailable, ObjectStoreUnavailable
    )

    # The token is a parameter, not a part of the path, since traces tell paths.
    @router.get("/playback", summary="Play a video", response_class=Response, responses=responses)
    def play(
        request: Request,
        token: Annotated[
            str,
            Query(
                pattern=TOKEN_PATTERN,
                description="As in the `url` of GET /videos/{video_id}/playback.",
                examples=[_EXAMPLE_TOKEN],
            ),
        ],
    ) -> Response:
        """The file, or a stretch of it, as GET /videos/{video_id}/source gives it."""
        return answers.answer(request, playback.video_of(token))

    return router
