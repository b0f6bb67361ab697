"""Which videos of a data set are long and short enough to be kept."""

from dataclasses import dataclass
from enum import StrEnum

from unmask_trainer.errors import InvalidInput
from unmask_trainer.statistics.survey import SurveyedVideo


class Dropped(StrEnum):
    """Why a video is not kept."""

    CORRUPT = "corrupt"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"


@dataclass(frozen=True, kw_only=True)
class FrameRange:
    """How many frames a video may have.

    Longer videos are dropped, not cut: a piece of a long video is no short video, and training
    takes clips from all over a long one anyway.

    Attributes:
        shortest: Frames at least.
        longest: Frames at most; None for no bound.

    Raises:
        InvalidInput: No number of frames is in the range.
    """

    shortest: int = 1
    longest: int | None = None

    def __post_init__(self) -> None:
        if self.shortest < 1 or (self.longest is not None and self.longest < self.shortest):
            raise InvalidInput(
                f"no video has at least {self.shortest} and at most {self.longest} frames"
            )

    def check_stop(self, stop_at: int | None) -> None:
        """Make sure that counting goes on until the range can be decided.

        Raises:
            InvalidInput: Counting stops too early.
        """
        needed = max(self.shortest, self.longest or 0)
        if stop_at is not None and stop_at < needed:
            raise InvalidInput(
                f"counting that stops at {stop_at} frames cannot tell which videos have "
                f"{needed}; stop at {needed} or later"
            )

    def why_dropped(self, video: SurveyedVideo) -> Dropped | None:
        """The reason against a video; None keeps it.

        With `decode`, frames that cannot be decoded do not count.
        """
        if video.facts is None:
            return Dropped.CORRUPT
        frames = video.facts.usable_frames
        if frames < self.shortest:
            return Dropped.TOO_SHORT
        if self.longest is not None and (frames > self.longest or not video.facts.complete):
            return Dropped.TOO_LONG
        return None
