"""Following a video to its end."""

import time
from collections.abc import Callable
from typing import Final

from unmask_client.answers import read, retry_after_s
from unmask_client.calls import Answer, Operation, Sleep
from unmask_client.errors import WaitTimedOut
from unmask_client.models import Video
from unmask_client.operations import video_call
from unmask_client.retries import RetryPolicy, send

OnProgress = Callable[[Video], None]

_USUAL_PAUSE_S: Final = 1.0


def wait(
    video_id: str, *, timeout_s: float | None, on_progress: OnProgress | None, policy: RetryPolicy
) -> Operation[Video]:
    """Ask until the video has ended, as often as the server wants to be asked.

    Raises:
        WaitTimedOut: It has not ended in time.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    seen: Video | None = None
    while True:
        answer: Answer = yield from send(video_call(video_id), policy)
        video = read(answer, Video)
        if on_progress is not None and video != seen:
            on_progress(video)
        if video.status.is_final:
            return video
        seen = video
        pause_s = retry_after_s(answer.headers) or _USUAL_PAUSE_S
        if deadline is not None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise WaitTimedOut(
                    f"The video {video_id} is {video.status} after {timeout_s:g} s.", video=video
                )
            pause_s = min(pause_s, left_s)
        yield Sleep(seconds=pause_s)
