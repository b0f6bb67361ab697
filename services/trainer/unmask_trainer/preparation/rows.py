"""Sums up in one row what a data set says about a video and what was found in it."""

from unmask_trainer.datasets.crop_cache import StoredFaces
from unmask_trainer.datasets.prepared import PreparedVideo, Status
from unmask_trainer.datasets.protocols import Assignment
from unmask_trainer.datasets.records import VideoRecord
from unmask_trainer.statistics.selection import FrameRange
from unmask_trainer.statistics.survey import SurveyedVideo


def row_of(
    record: VideoRecord,
    assignment: Assignment,
    video: SurveyedVideo,
    faces: StoredFaces | None,
    wanted: FrameRange,
) -> PreparedVideo:
    """The row of a video.

    Args:
        record: What its data set says about it.
        assignment: The split.
        video: What was found when it was opened.
        faces: What came of looking for faces; None where nobody looked.
        wanted: How many frames it may have.
    """
    status, error = _status(record, assignment, video, faces, wanted)
    leaks = " (leaks identities)" if assignment.protocol.leaks_identities else ""
    return PreparedVideo(
        id=record.id,
        label=record.label,
        identities=record.identities,
        method=record.method,
        source=record.sources,
        split=assignment.parts.get(record.id),
        dataset=record.dataset,
        frames=None if video.facts is None else video.facts.frames,
        faces=None if faces is None or faces.problem else faces.faces,
        status=status,
        error=error,
        protocol=f"{assignment.protocol}{leaks}",
        path=record.path,
        sha256=(video.facts and video.facts.sha256) or "",
    )


def _status(
    record: VideoRecord,
    assignment: Assignment,
    video: SurveyedVideo,
    faces: StoredFaces | None,
    wanted: FrameRange,
) -> tuple[Status, str]:
    """What became of a video, and why it cannot be used."""
    problem = video.problem or (faces.problem if faces else None)
    if problem is not None:
        return Status.CORRUPT, f"{problem.code}: {problem.detail}"
    if (dropped := wanted.why_dropped(video)) is not None:
        frames = video.facts.frames if video.facts else 0
        return Status(dropped.value), f"{dropped}: it has {frames} frames"
    if (unassigned := assignment.unassigned.get(record.id)) is not None:
        return Status.UNASSIGNED, f"{unassigned}: {unassigned.reason}"
    if faces is None or not faces.clips:
        return Status.NO_FACE, "no_face: no face was found"
    return Status.OK, ""
