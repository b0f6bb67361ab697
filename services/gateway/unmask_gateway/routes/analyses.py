"""Analysing a video again."""

from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Body, Response, status
from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.access.gate import CurrentCaller
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.problems import document_errors
from unmask_gateway.reanalysis import Reanalysis
from unmask_gateway.routes.accepted import ACCEPTED_HEADERS, answer_accepted
from unmask_gateway.routes.parameters import IdempotencyKey, VideoId
from unmask_gateway.schemas import EXAMPLE_ID, QUEUED_EXAMPLE, Video
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import Accepted
from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import (
    IdempotencyKeyReused,
    IdempotencyKeySpent,
    InvalidRequest,
    MalformedVideoId,
    ModelRefused,
    ObjectStoreUnavailable,
    QueueFull,
    UnknownModel,
    UnmaskError,
    VideoNotFound,
)
from unmask_shared.videos import MAX_MODEL_LENGTH, MODEL_PATTERN, AnalysisOptions

_AS_BEFORE: Final = "As POST /videos takes it; by default as for the video before."
_EXAMPLE: Final[dict[str, Any]] = QUEUED_EXAMPLE | {
    "id": "01890a63-1f00-7b1c-8d3e-5a1f7c2b9e04",
    "model": {"name": "resnet-lstm", "version": "0.3.0"},
    "analysis_of": EXAMPLE_ID,
}


class NewAnalysis(BaseModel):
    """What is to be another than before; `{}` for the model that is active now."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"model": "resnet-lstm/0.3.0"}}
    )

    model: Annotated[
        str | None,
        Field(
            pattern=MODEL_PATTERN,
            max_length=MAX_MODEL_LENGTH,
            description="Which published model judges, as `NAME/VERSION`; by default the one that "
            "is active now.",
        ),
    ] = None
    face_mode: Annotated[FaceMode | None, Field(description=_AS_BEFORE)] = None
    keep_faceless_frames: Annotated[bool | None, Field(strict=True, description=_AS_BEFORE)] = None
    landmark_overlays: Annotated[bool | None, Field(strict=True, description=_AS_BEFORE)] = None
    heatmaps: Annotated[bool | None, Field(strict=True, description=_AS_BEFORE)] = None

    def options(self, before: AnalysisOptions) -> AnalysisOptions:
        """All options of the new analysis, with those of the one before."""
        changed = self.model_dump(exclude_none=True)
        return before.model_copy(update={"model": None, **changed})


def make_analyses_router(
    *, lookup: VideoLookup, reanalysis: Reanalysis, submissions: Submissions
) -> APIRouter:
    """Make the route that analyses a video again."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.post(
        "/{video_id}/analyses",
        status_code=status.HTTP_202_ACCEPTED,
        summary="Analyse a video again",
        response_description="A new video with the same file was accepted.",
        responses={
            202: {
                "headers": ACCEPTED_HEADERS,
                "content": {"application/json": {"example": _EXAMPLE}},
            },
            **document_errors(
                VideoNotFound,
                MalformedVideoId,
                UnknownModel,
                ModelRefused,
                InvalidRequest,
                IdempotencyKeyReused,
                IdempotencyKeySpent,
                ObjectStoreUnavailable,
                QueueFull,
                UnmaskError,
            ),
        },
    )
    async def analyse_again(
        video_id: VideoId,
        wanted: Annotated[NewAnalysis, Body()],
        response: Response,
        caller: CurrentCaller,
        idempotency_key: IdempotencyKey = None,
    ) -> Video:
        """Judge the file of a video once more, with another model or with other options.

        The outcome of the video stays as it is. The new one has its own, names the other in
        `analysis_of`, belongs to the same key, and has to be erased for itself.
        """

        def begin() -> Accepted:
            original = lookup.find(video_id).record
            return reanalysis.begin(
                original,
                wanted.options(original.options),
                caller=caller,
                idempotency_key=idempotency_key,
            )

        accepted = await to_thread.run_sync(begin)
        return await answer_accepted(
            accepted, submissions=submissions, lookup=lookup, response=response
        )

    return router
