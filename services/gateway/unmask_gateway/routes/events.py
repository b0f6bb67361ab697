"""Following videos by server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response, status
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.access.gate import CurrentCaller, Gate
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.problems import document_errors
from unmask_gateway.routes.parameters import VideoId
from unmask_gateway.schemas import EXAMPLE_ID
from unmask_gateway.watching import VideoWatcher
from unmask_shared.errors import (
    InvalidRequest,
    MalformedVideoId,
    ObjectStoreUnavailable,
    TooManyEventStreams,
    UnmaskError,
    VideoNotFound,
)
from unmask_shared.job_store import Position
from unmask_shared.videos import Status

_MEDIA_TYPE: Final = "text/event-stream"
_HEARTBEAT_S: Final = 15.0
_HEARTBEAT: Final = b": still here\n\n"
_RECONNECT_AFTER_MS: Final = 2000
# A key that was revoked follows nothing for longer than this and what gateways remember of keys.
_CHECK_KEY_S: Final = 2.0
# Long enough to be no burden.
_LONGEST_S: Final = 900.0


class VideoEvent(BaseModel):
    """Where a video stands; the data of an event."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: Annotated[Status | None, Field(description="Null once the video was erased.")]
    progress: Annotated[float | None, Field(ge=0, le=1)]


_EXAMPLE: Final = (
    f"retry: {_RECONNECT_AFTER_MS}\n\n"
    "event: progress\nid: preprocessing-0.2310\n"
    f'data: {{"id":"{EXAMPLE_ID}","status":"preprocessing","progress":0.231}}\n\n'
    "event: final\nid: completed-1.0000\n"
    f'data: {{"id":"{EXAMPLE_ID}","status":"completed","progress":1.0}}\n\n'
)
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["data", "event"],
    "properties": {
        "event": {"type": "string", "enum": ["progress", "final", "erased"]},
        "id": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": VideoEvent.model_json_schema(),
        },
        "retry": {"type": "integer", "minimum": 0},
    },
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events, until the video has ended.",
        "content": {
            # OpenAPI 3.2 describes each event of a stream so; 3.1 has no word for it.
            _MEDIA_TYPE: {"itemSchema": _EVENT, "examples": {"all": {"value": _EXAMPLE}}}
        },
    },
    204: {"description": "The client has seen the final event; it need not come again."},
}


def make_events_router(*, lookup: VideoLookup, watcher: VideoWatcher) -> APIRouter:
    """Make `GET /videos/{video_id}/events`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.get(
        "/{video_id}/events",
        summary="Follow a video",
        response_class=Response,
        responses=_RESPONSES
        | document_errors(
            VideoNotFound,
            MalformedVideoId,
            InvalidRequest,
            ObjectStoreUnavailable,
            TooManyEventStreams,
            UnmaskError,
        ),
    )
    async def follow_video(
        request: Request,
        caller: CurrentCaller,
        video_id: VideoId,
        last_event_id: Annotated[
            str | None,
            Header(max_length=64, description="Id of the last event that was seen."),
        ] = None,
    ) -> Response:
        """Server-sent events: `progress` while the video is worked on, then `final` or `erased`.

        The first event tells where the video stands, unless the client knows that by its
        `Last-Event-ID`. Status and progress only grow, so a client that was away has missed
        nothing: it is told how far the video is now. The connection ends after `final` or `erased`,
        after a quarter of an hour, and soon after the key was revoked; a client of the standard
        then connects again by itself.
        """
        gate: Gate = request.app.state.gate
        state = await to_thread.run_sync(lookup.find, video_id)
        position = Position(status=state.status, progress=state.progress)
        if position.status.is_final and last_event_id == _id_of(position):
            return Response(status_code=status.HTTP_204_NO_CONTENT)
        watcher.check_room()
        return StreamingResponse(
            _events(
                watcher,
                video_id,
                position,
                last_id=last_event_id,
                is_welcome=None if gate.is_open else lambda: gate.still_admits(caller.key_id),
            ),
            media_type=_MEDIA_TYPE,
            # Or a proxy would collect events before it passes them on.
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _events(
    watcher: VideoWatcher,
    video_id: str,
    found: Position,
    *,
    last_id: str | None,
    is_welcome: Callable[[], bool] | None,
) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    ends_at, beats_at = clock() + _LONGEST_S, clock() + _HEARTBEAT_S
    checks_at = clock() + _CHECK_KEY_S
    async with watcher.following(video_id, found) as watch:
        yield format_sse_event(retry=_RECONNECT_AFTER_MS)
        while not watch.ends and clock() < ends_at:
            position = watch.position
            if position is None:
                gone = VideoEvent(id=video_id, status=None, progress=None)
                yield format_sse_event(event="erased", data_str=gone.model_dump_json())
                return
            if _id_of(position) != last_id:
                last_id = _id_of(position)
                event = VideoEvent(id=video_id, status=position.status, progress=position.progress)
                yield format_sse_event(
                    event="final" if position.status.is_final else "progress",
                    id=last_id,
                    data_str=event.model_dump_json(),
                )
            if position.status.is_final:
                return
            await watch.wait(position, patience_s=_CHECK_KEY_S)
            if is_welcome is not None and clock() >= checks_at:
                checks_at = clock() + _CHECK_KEY_S
                if not await to_thread.run_sync(is_welcome):
                    return
            if clock() >= beats_at:
                beats_at = clock() + _HEARTBEAT_S
                yield _HEARTBEAT


def _id_of(position: Position) -> str:
    # The same for every gateway, and after Redis has forgotten everything.
    return f"{position.status}-{position.progress:.4f}"
