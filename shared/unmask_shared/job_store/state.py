"""What the live view says of one video."""

import time
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from unmask_shared.artifacts import VideoInfo
from unmask_shared.videos import Failure, Status, Timings, VideoRecord, VideoResult

MARK_ACCEPTED = "accepted"
MARK_PREPROCESSING = "preprocessing"
MARK_PREPROCESSED = "preprocessed"
MARK_INFERRING = "inferring"


class JobState(BaseModel):
    """The live view of one video."""

    model_config = ConfigDict(frozen=True)

    record: VideoRecord
    status: Status
    progress: Annotated[float, Field(ge=0, le=1)]
    marks: dict[str, float]
    """Unix times at which things happened, by the names of the `MARK_` constants."""
    waiting: bool
    """Whether a message for the next stage lies in the broker."""
    info: VideoInfo | None = None
    """What decoding found out, where that is known before the result."""
    result: VideoResult | None = None
    failure: Failure | None = None

    @classmethod
    def of(cls, view: Mapping[str, str]) -> Self | None:
        """Read the hash in Redis; None where nobody has told the record of the video yet."""
        if "record" not in view:
            return None
        info, result, failure = (view.get(name) for name in ("info", "result", "failure"))
        return cls(
            record=VideoRecord.model_validate_json(view["record"]),
            status=Status(view["status"]),
            progress=float(view["progress"]),
            marks={
                name.removeprefix("at:"): float(moment)
                for name, moment in view.items()
                if name.startswith("at:")
            },
            waiting=view.get("waiting") == "1",
            info=None if info is None else VideoInfo.model_validate_json(info),
            result=None if result is None else VideoResult.model_validate_json(result),
            failure=None if failure is None else Failure.model_validate_json(failure),
        )


def timings_of(state: JobState | None) -> Timings:
    """How long the stages took until now, as far as the live view knows."""
    marks = {**(state.marks if state else {}), "now": time.time()}

    def between(start: str, end: str) -> int | None:
        if start not in marks or end not in marks:
            return None
        return max(0, round((marks[end] - marks[start]) * 1000))

    waits = between(MARK_ACCEPTED, MARK_PREPROCESSING), between(MARK_PREPROCESSED, MARK_INFERRING)
    return Timings(
        queued=None if waits[0] is None else waits[0] + (waits[1] or 0),
        preprocessing=between(MARK_PREPROCESSING, MARK_PREPROCESSED),
        inferring=between(MARK_INFERRING, "now"),
    )
