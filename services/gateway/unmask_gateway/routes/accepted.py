"""The answer to whoever brought a new video."""

import logging
from typing import Final

import anyio
from anyio import to_thread
from fastapi import Response

from unmask_gateway.routes.polling import tell_pollers
from unmask_gateway.schemas import Video
from unmask_gateway.submissions import Submissions
from unmask_shared.videos import VideoRecord

log = logging.getLogger(__name__)

# An accepted video is safe; its queueing may go on after the answer.
_ANNOUNCE_PATIENCE_S: Final = 3.0


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
