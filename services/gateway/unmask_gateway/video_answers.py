"""What `GET /videos/{id}` answers, kept for as long as the live view says the same.

Making an answer means to read, check and write all of a result: twenty times as long as to find out
that nothing has changed since. Redis is asked every time, so that an erased video is gone at once,
whichever gateway erased it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from anyio import to_thread

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.schemas import Video
from unmask_shared.job_store.revisions import Revision, Revisions, revision_of

_MOST_BYTES: Final = 16 * 1024 * 1024
# So that a few very long videos do not drive all others out.
_LARGEST: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class VideoAnswer:
    """The answer about a video.

    Attributes:
        body: The video as JSON.
        is_final: Whether nothing will change but by erasing it.
    """

    body: bytes
    is_final: bool


class VideoAnswers:
    """Makes answers and keeps them; for one event loop."""

    def __init__(self, *, lookup: VideoLookup, revisions: Revisions) -> None:
        self._lookup = lookup
        self._revisions = revisions
        self._kept: OrderedDict[str, tuple[Revision, VideoAnswer]] = OrderedDict()
        self._kept_bytes = 0

    async def about(self, video_id: str) -> VideoAnswer:
        """Tell where a video stands.

        Raises:
            VideoNotFound: No video has this id.
            ObjectStoreUnavailable: Redis does not know the video and the store does not answer.
        """
        if kept := await self.kept(video_id):
            return kept
        revision, answer = await to_thread.run_sync(self._make, video_id)
        self._keep(video_id, revision, answer)
        return answer

    async def kept(self, video_id: str) -> VideoAnswer | None:
        """The answer that was made before, if it is still right."""
        if (kept := self._kept.get(video_id)) is None:
            return None
        revision, answer = kept
        if await self._revisions.of(video_id) == revision:
            return answer
        self._drop(video_id)
        return None

    def _make(self, video_id: str) -> tuple[Revision, VideoAnswer]:
        state = self._lookup.find(video_id)
        body = Video.of(state).model_dump_json().encode()
        return revision_of(state), VideoAnswer(body=body, is_final=state.status.is_final)

    def _keep(self, video_id: str, revision: Revision, answer: VideoAnswer) -> None:
        self._drop(video_id)
        if len(answer.body) > _LARGEST:
            return
        self._kept[video_id] = (revision, answer)
        self._kept_bytes += len(answer.body)
        while self._kept_bytes > _MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, video_id: str) -> None:
        if kept := self._kept.pop(video_id, None):
            self._kept_bytes -= len(kept[1].body)
