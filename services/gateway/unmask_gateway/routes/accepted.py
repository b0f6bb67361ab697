"""The answer to whoever brought a new video."""

import logging
from typing import Any, Final

import anyio
from anyio import to_thread
from fastapi import Response

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.routes.polling import RETRY_AFTER, tell_pollers
from unmask_gateway.schemas import Video
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import Accepted
from unmask_shared.videos import VideoRecord

log = logging.getLogger(__name__)

ACCEPTED_HEADERS: Final[dict[str, Any]] = RETRY_AFTER | {
    "Location": {"description": "Path of the video.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` if the Idempotency-Key came before, and this is the video that it "
        "brought, as it stands now; absent for a new video.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
"""What the API's description says of the headers."""

# An accepted video is safe; its queueing may go on after the answer.
_ANNOUNCE_PATIENCE_S: Final = 3.0


async def answer_accepted(
    accepted: Accepted, *, submissions: Submissions, lookup: VideoLookup, response: Response
) -> Video:
    """Queue a video that is new, or show the one that the request brought before.

    Args:
        accepted: What became of the request.
        submissions: Queues it.
        lookup: Finds out where it stands.
        response: Gets the headers.
    """
    record = accepted.record
    if not accepted.is_replay:
        return await queue_and_answer(record, submissions, response)
    video = Video.of(await to_thread.run_sync(lookup.find, record.id))
    response.headers["Location"] = f"/videos/{record.id}"
    response.headers["Idempotency-Replayed"] = "true"
    tell_pollers(response, again=not video.status.is_final)
    return video


async def queue_and_answer(
    record: VideoRecord, submissions: Submissions, response: Response
) -> Video:
    """Queue a video that was accepted, and say where it is found.

    Args:
        record: Of the video.
        submissions: Queues it.
        response: Gets the headers.
    """
    with anyio.move_on_after(_ANNOUNCE_PATIENCE_S) as patience:
        await to_thread.run_sync(submissions.announce, record, abandon_on_cancel=True)
    if patience.cancelled_caught:
        log.warning("queueing takes long", extra={"video_id": record.id})
    response.headers["Location"] = f"/videos/{record.id}"
    tell_pollers(response, again=True)
    return Video.just_accepted(record)
