from datetime import UTC, datetime
from typing import Any

import pytest

from unmask_gateway.schemas import COMPLETED_EXAMPLE, FAILED_EXAMPLE, QUEUED_EXAMPLE, Video
from unmask_shared.artifacts import BoundingBox, VideoInfo, heatmap_key, landmarks_key
from unmask_shared.errors import NoVideoStream
from unmask_shared.job_store import (
    MARK_ACCEPTED,
    MARK_INFERRING,
    MARK_PREPROCESSED,
    MARK_PREPROCESSING,
    JobState,
)
from unmask_shared.videos import (
    AnalysisOptions,
    FaceResult,
    Failure,
    Heatmap,
    ModelRef,
    Result,
    Segment,
    Status,
    Timings,
    Upload,
    Verdict,
    VideoRecord,
    VideoResult,
)

VIDEO_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
RECORD = VideoRecord(
    id=VIDEO_ID,
    created_at=datetime(2026, 5, 4, tzinfo=UTC),
    upload=Upload(filename="clip.mp4", content_type="video/mp4", bytes=7, sha256="a" * 64),
)


def state(**changes: Any) -> JobState:
    fields: dict[str, Any] = {
        "record": RECORD,
        "status": Status.QUEUED,
        "progress": 0.0,
        "marks": {},
        "waiting": True,
    }
    return JobState.model_validate(fields | changes)


@pytest.mark.parametrize("example", [QUEUED_EXAMPLE, COMPLETED_EXAMPLE, FAILED_EXAMPLE])
def test_documented_examples_are_real_videos(example: dict[str, Any]) -> None:
    assert Video.model_validate(example).model_dump(mode="json") == example


def test_a_video_tells_what_was_asked_for() -> None:
    options = AnalysisOptions(face_mode="full_frame", keep_faceless_frames=True)
    asked = RECORD.model_copy(update={"options": options})
    assert Video.of(state(record=asked)).options == options
    assert Video.of(state()).options == AnalysisOptions()


def test_what_decoding_has_not_told_yet_is_null() -> None:
    video = Video.of(state()).model_dump(mode="json")
    unknown = {"duration_s", "fps", "width", "height", "frames"}
    assert {name for name, value in video["source"].items() if value is None} == unknown
    assert video["model"] is video["result"] is video["failure"] is None


def test_a_result_brings_the_facts_of_the_video_and_paths_of_thumbnails() -> None:
    face = FaceResult(
        track_id=3,
        fake_probability=0.9,
        start_s=0,
        end_s=2,
        segments=(Segment(start_s=0, end_s=2, fake_probability=0.9),),
    )
    outcome = VideoResult(
        video_id=VIDEO_ID,
        video=VideoInfo(duration_s=2, fps=25, width=640, height=480, frames=50, codec="h264"),
        model=ModelRef(name="resnet-lstm", version="1"),
        result=Result(verdict=Verdict.FAKE, fake_probability=0.9, reason=None, faces=(face,)),
        timings_ms=Timings(queued=1, preprocessing=2, inferring=3),
    )
    video = Video.of(state(status=Status.COMPLETED, progress=1.0, result=outcome))
    assert video.source.frames == 50
    assert video.timings_ms == outcome.timings_ms
    assert video.result is not None
    assert video.result.faces[0].thumbnail == f"/videos/{VIDEO_ID}/faces/3/thumbnail"
    assert video.result.faces[0].landmarks is None
    assert video.result.faces[0].segments == face.segments
    box = BoundingBox(x=0, y=0, width=1, height=1)
    heatmaps = tuple(
        Heatmap(picture=heatmap_key(VIDEO_ID, 3, number), frame=number, time_s=number, box=box)
        for number in (0, 1)
    )
    pictured = face.model_copy(
        update={"landmarks": landmarks_key(VIDEO_ID, 3), "heatmaps": heatmaps}
    )
    outcome = outcome.model_copy(
        update={"result": outcome.result.model_copy(update={"faces": (pictured,)})}
    )
    video = Video.of(state(status=Status.COMPLETED, progress=1.0, result=outcome))
    assert video.result is not None
    assert video.result.faces[0].landmarks == f"/videos/{VIDEO_ID}/faces/3/landmarks"
    told = video.result.faces[0].heatmaps
    assert [one.picture for one in told] == [
        f"/videos/{VIDEO_ID}/heatmaps/3/0",
        f"/videos/{VIDEO_ID}/heatmaps/3/1",
    ]
    assert [(one.frame, one.time_s, one.box) for one in told] == [(0, 0, box), (1, 1, box)]


def test_a_failure_is_told_in_the_words_of_its_error() -> None:
    failure = Failure.of(NoVideoStream("Only audio."))
    video = Video.of(state(status=Status.FAILED, failure=failure))
    assert video.failure == failure


def test_timings_grow_with_what_is_known() -> None:
    marks = {MARK_ACCEPTED: 100.0}
    assert Video.of(state(marks=marks)).timings_ms == Timings(
        queued=None, preprocessing=None, inferring=None
    )
    marks |= {MARK_PREPROCESSING: 100.5}
    assert Video.of(state(marks=marks)).timings_ms.queued == 500
    marks |= {MARK_PREPROCESSED: 102.5, MARK_INFERRING: 103.0}
    timings = Video.of(state(marks=marks)).timings_ms
    assert (timings.queued, timings.preprocessing) == (1000, 2000)


def test_clocks_that_disagree_give_no_negative_times() -> None:
    marks = {MARK_ACCEPTED: 100.5, MARK_PREPROCESSING: 100.0}
    assert Video.of(state(marks=marks)).timings_ms.queued == 0
