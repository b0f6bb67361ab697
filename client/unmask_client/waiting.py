"""Following a video to its end: by the server's events, and by asking where it sends none."""

import time
from collections.abc import Callable
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from unmask_client.answers import pause_until_next_s, read
from unmask_client.calls import Answer, Call, Listen, Operation, Sleep, api_path
from unmask_client.errors import ConnectionFailed, WaitTimedOut
from unmask_client.event_stream import EventStream
from unmask_client.models import Status, Video
from unmask_client.operations import video_call
from unmask_client.retries import RetryPolicy, send

OnProgress = Callable[[Video], None]

# The server gives a sign of life every 15 s; a stream that is silent for longer is broken.
_SIGN_OF_LIFE_S: Final = 15.0
_LONGEST_SILENCE_S: Final = 2 * _SIGN_OF_LIFE_S


class _Event(BaseModel):
    """Where a video stands; without a status it was erased."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Status | None
    progress: float | None


def wait(
    video_id: str, *, timeout_s: float | None, on_progress: OnProgress | None, policy: RetryPolicy
) -> Operation[Video]:
    """Wait until a video has ended.

    Raises:
        WaitTimedOut: It has not ended in time.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    watch = _Watch(on_progress, deadline)
    has_events = True
    while True:
        answer: Answer = yield from send(video_call(video_id), policy)
        video = read(answer, Video)
        watch.see(video)
        if video.status.is_final:
            return video
        left_s = watch.left_s()
        if left_s <= 0:
            raise WaitTimedOut(
                f"The video {video_id} is {video.status} after {timeout_s:g} s.", video=video
            )
        if has_events and left_s > _SIGN_OF_LIFE_S:
            has_events = yield from _listen(video_id, watch, policy)
        else:
            yield Sleep(seconds=min(pause_until_next_s(answer), left_s))


class _Watch:
    """What was seen of a video so far, and how long there is still to wait."""

    def __init__(self, on_progress: OnProgress | None, deadline: float | None) -> None:
        self._on_progress = on_progress
        self._deadline = deadline
        self._video: Video | None = None

    def see(self, video: Video) -> None:
        """Tell the caller, if that is news."""
        if video != self._video and self._on_progress is not None:
            self._on_progress(video)
        self._video = video

    def hear(self, event: _Event) -> bool:
        """Take an event, and return whether the whole video is to be asked for now."""
        if self._video is None or event.status is None or event.status.is_final:
            return True
        self.see(
            self._video.model_copy(
                update={"status": event.status, "progress": event.progress or 0.0}
            )
        )
        return False

    def left_s(self) -> float:
        """Seconds until the deadline."""
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()


def _listen(video_id: str, watch: _Watch, policy: RetryPolicy) -> Operation[bool]:
    """Follow the events of a video until the video is to be asked for.

    Returns:
        Whether events can be had from this server, so that it is worth to listen again.
    """
    stream = EventStream()
    heard = False

    def on_data(piece: bytes) -> bool:
        nonlocal heard
        for data in stream.feed(piece):
            heard = True
            if watch.hear(_Event.model_validate_json(data)):
                return True
        # The last stretch is asked for: the next sign of life might come too late.
        return watch.left_s() <= _SIGN_OF_LIFE_S

    call = Call(
        method="GET",
        path=api_path("videos", video_id, "events"),
        headers={"Accept": "text/event-stream"},
        answer_timeout_s=_LONGEST_SILENCE_S,
    )
    try:
        answer: Answer = yield Listen(call=call, on_data=on_data)
    except ConnectionFailed:
        yield Sleep(seconds=policy.pause_s(1))
        return heard
    except ValidationError:
        return False
    # A refusal may mean that there are too many listeners, or no events on this server: the video
    # itself can be asked for in any case.
    return answer.is_success and heard
