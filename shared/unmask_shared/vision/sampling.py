"""Which frames of a video are looked at: enough of each moment, from all over it, at a known cost.

A temporal model needs runs of consecutive frames ("clips"). Decoding can only start at key frames,
so a clip begins at one where there is one near its place; of the frames on the way to it only
those are decoded that others are built on. What would still cost too much is left out, and the
coverage says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from unmask_shared.artifacts import Coverage, SamplingPolicy
from unmask_shared.errors import VideoTooDemanding
from unmask_shared.vision.timeline import Timeline

Clip = Sequence[int]
"""Ascending numbers of the frames of one clip."""


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How frames are chosen.

    Attributes:
        policy: `clips` for runs of consecutive frames spread evenly over the video, `uniform` for
            as many single frames at equal distances, `all` for every frame.
        clip_length: Frames of one clip.
        clip_period_s: One clip is taken for each such stretch of the video, within the bounds.
        min_clips: Clips at least, where the video has as many frames.
        max_clips: Clips at most; `all` knows no bound.
        max_decoded: Frames that are decoded at most, also those on the way to a clip.

    Raises:
        ValueError: A value is outside of its range.
    """

    policy: SamplingPolicy = "clips"
    clip_length: int = 16
    clip_period_s: float = 2.0
    min_clips: int = 4
    max_clips: int = 16
    max_decoded: int = 6000

    def __post_init__(self) -> None:
        positive = ("clip_length", "clip_period_s", "min_clips", "max_clips", "max_decoded")
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, not positive")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The frames to look at.

    Attributes:
        policy: By which they were chosen.
        clips: Disjoint, ascending.
        step: Usual distance of the frames in a clip.
        cost: Frames to decode for them.
    """

    policy: SamplingPolicy
    clips: tuple[Clip, ...] = field(default=())
    step: int = 1
    cost: int = 0

    @property
    def frames(self) -> int:
        """How many frames there are in all clips."""
        return sum(map(len, self.clips))


def plan(timeline: Timeline, settings: SamplingSettings) -> Plan:
    """Choose the frames of a video to look at.

    Raises:
        VideoTooDemanding: With the policy `all`, the video has more than `max_decoded` frames.
    """
    frames = timeline.frames
    if settings.policy == "all":
        if frames > settings.max_decoded:
            raise VideoTooDemanding(
                f"The video has {frames} frames; at most {settings.max_decoded} can be looked at "
                "one by one."
            )
        return Plan(policy="all", clips=_touching(frames, settings.clip_length), cost=frames)
    clips, step = _uniform(frames, settings), _uniform_step(frames, settings)
    if settings.policy == "clips":
        starts = spread_clips(
            frames, settings.clip_length, _clip_count(timeline.duration_s, settings)
        )
        clips, step = _at_key_frames(starts, timeline), 1
    affordable, cost = _affordable(clips, timeline, settings.max_decoded)
    return Plan(policy=settings.policy, clips=affordable, step=step, cost=cost)


def spread_clips(frame_count: int, clip_length: int, clips: int) -> tuple[range, ...]:
    """Choose runs of consecutive frames that are spread evenly over a video.

    A video that fits is taken whole, in runs that touch; its last run may be shorter. Otherwise
    the first run starts at the first frame and the last one ends at the last frame; a single run
    lies in the middle.

    Args:
        frame_count: Frames of the video.
        clip_length: Frames of one run.
        clips: Runs at most.

    Returns:
        Disjoint ranges of frame numbers, ascending.

    Raises:
        ValueError: An argument is below 1 (`frame_count`: below 0).
    """
    if frame_count < 0 or clip_length < 1 or clips < 1:
        raise ValueError(f"cannot plan {clips} clips of {clip_length} in {frame_count} frames")
    if frame_count <= clip_length * clips:
        return _touching(frame_count, clip_length)
    last_start = frame_count - clip_length
    if clips == 1:
        starts = [last_start // 2]
    else:
        starts = [clip * last_start // (clips - 1) for clip in range(clips)]
    return tuple(range(start, start + clip_length) for start in starts)


def coverage(plan: Plan, timeline: Timeline, seen_s: Sequence[Sequence[float]]) -> Coverage:
    """How much of a video was looked at.

    Args:
        plan: What was to be looked at.
        timeline: Of the video.
        seen_s: When the frames that could be decoded are shown, in seconds, clip by clip.
    """
    clips = [times for times in seen_s if times]
    frame_s = 1 / timeline.fps if timeline.fps else timeline.duration_s
    ends = [0.0, *(min(times[-1] + frame_s, timeline.duration_s) for times in clips)]
    starts = [*(times[0] for times in clips), timeline.duration_s]
    if plan.step == 1:
        gaps = [start - end for end, start in zip(ends, starts, strict=True)]
    else:
        moments = [0.0, *(time for times in clips for time in times), timeline.duration_s]
        gaps = [later - earlier - frame_s for earlier, later in pairwise(moments)]
    seen = sum(map(len, clips))
    return Coverage(
        policy=plan.policy,
        clips=len(clips),
        frames=seen,
        missing_frames=max(0, plan.frames - seen),
        sampled_s=round(min(seen * frame_s, timeline.duration_s), 3),
        longest_gap_s=round(max(0.0, *gaps), 3),
    )


def _touching(frames: int, length: int) -> tuple[range, ...]:
    return tuple(range(start, min(start + length, frames)) for start in range(0, frames, length))


def _clip_count(duration_s: float, settings: SamplingSettings) -> int:
    wanted = round(duration_s / settings.clip_period_s)
    return min(max(wanted, settings.min_clips), settings.max_clips)


def _uniform_step(frames: int, settings: SamplingSettings) -> int:
    return max(1, frames // (settings.clip_length * settings.max_clips))


def _uniform(frames: int, settings: SamplingSettings) -> tuple[range, ...]:
    """Single frames at equal distances, the first one half a distance from the start."""
    step = _uniform_step(frames, settings)
    most = settings.clip_length * settings.max_clips
    numbers = range(step // 2, frames, step)[:most]
    length = settings.clip_length
    return tuple(numbers[start : start + length] for start in range(0, len(numbers), length))


def _at_key_frames(clips: Sequence[range], timeline: Timeline) -> tuple[range, ...]:
    """Move each clip to the key frame nearest to its start, if none gets out of its place."""
    moved = []
    for position, clip in enumerate(clips):
        earliest = (clips[position - 1].stop + clip.start + 1) // 2 if position else 0
        end = timeline.frames
        latest_stop = (clip.stop + clips[position + 1].start) // 2 if clip is not clips[-1] else end
        near = [
            key.shown
            for key in (
                timeline.key_frame_before(clip.start),
                timeline.key_frame_before(latest_stop - len(clip)),
            )
            if key is not None and earliest <= key.shown <= latest_stop - len(clip)
        ]
        start = min(near, key=lambda number: abs(number - clip.start), default=clip.start)
        moved.append(range(start, start + len(clip)))
    return tuple(moved)


def _affordable(
    clips: Sequence[range], timeline: Timeline, budget: int
) -> tuple[tuple[Clip, ...], int]:
    """The clips that can be decoded within the budget, from the first on, and what they cost."""
    affordable: list[Clip] = []
    cost, position = 0, 0
    for clip in clips:
        kept: list[int] = []
        for number in clip:
            key = timeline.key_frame_before(number)
            start = max(position, key.shown if key else 0)
            if cost + number + 1 - start > budget:
                continue
            cost += number + 1 - start
            position = number + 1
            kept.append(number)
        if len(kept) == len(clip):
            affordable.append(clip)
        elif kept:
            affordable.append(kept)
    return tuple(affordable), cost
