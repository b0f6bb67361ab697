"""Cutting a track into clips, and what is read of a short one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.artifacts import BoundingBox, FaceFrame
from unmask_shared.model.clips import (
    ShortClips,
    clips_to_classify,
    frames_to_read,
    split_clips,
)


def face_frame(frame: int, clip: int = 0) -> FaceFrame:
    return FaceFrame(
        frame=frame,
        time_s=frame / 30,
        clip=clip,
        box=BoundingBox(x=0, y=0, width=10, height=10),
        landmarks=((0, 0),) * 5,
        detected=True,
    )


def test_long_runs_are_cut_at_the_clip_length() -> None:
    frames = [face_frame(i) for i in range(40)]
    assert split_clips(frames, 16) == (range(0, 16), range(16, 32), range(32, 40))


def test_a_gap_begins_a_new_clip() -> None:
    frames = [face_frame(i) for i in (0, 1, 2, 7, 8)]
    assert split_clips(frames, 16) == (range(0, 3), range(3, 5))


def test_a_sampled_clip_of_the_video_begins_a_new_clip() -> None:
    frames = [face_frame(0, clip=0), face_frame(1, clip=0), face_frame(2, clip=1)]
    assert split_clips(frames, 16) == (range(0, 2), range(2, 3))


def test_frames_at_the_distance_of_the_sampling_are_one_clip() -> None:
    frames = [face_frame(number) for number in (0, 25, 50, 100, 125)]
    assert split_clips(frames, 16, frame_step=25) == (range(0, 3), range(3, 5))
    assert len(split_clips(frames, 16)) == len(frames)


def test_clips_of_sparse_frames_count_as_usable_ones() -> None:
    frames = [face_frame(number) for number in (0, 25, 50, 75, 150)]
    assert clips_to_classify(frames, 16, frame_step=25) == (range(0, 4),)


@given(
    numbers=st.sets(st.integers(0, 200), min_size=1).map(sorted),
    clip_length=st.integers(1, 20),
    step=st.integers(1, 3),
)
def test_clips_cover_all_frames_once_and_hold_equally_distant_ones(
    numbers: list[int], clip_length: int, step: int
) -> None:
    frames = [face_frame(number, clip=number // 32) for number in numbers]
    clips = split_clips(frames, clip_length, frame_step=step)
    assert [i for clip in clips for i in clip] == list(range(len(frames)))
    for clip in clips:
        assert 1 <= len(clip) <= clip_length
        assert len({frames[i].clip for i in clip}) == 1
        first = frames[clip.start].frame
        assert [frames[i].frame for i in clip] == [first + step * i for i in range(len(clip))]


policies = st.sampled_from(["mask", "repeat_last", "wrap"])
lengths = st.integers(1, 40)


@pytest.mark.parametrize(
    ("policy", "read"),
    [
        ("mask", (0, 1, 2)),
        ("repeat_last", (0, 1, 2, 2, 2, 2, 2, 2)),
        ("wrap", (0, 1, 2, 0, 1, 2, 0, 1)),
    ],
)
def test_a_short_clip_is_masked_or_filled(policy: ShortClips, read: tuple[int, ...]) -> None:
    assert frames_to_read(3, 8, policy) == read


@given(frames=lengths, policy=policies)
def test_a_full_clip_is_read_once_whatever_the_policy(frames: int, policy: ShortClips) -> None:
    assert frames_to_read(frames, frames, policy) == tuple(range(frames))


@given(frames=lengths, spare=lengths, policy=policies)
def test_what_fills_a_clip_comes_after_all_of_it_and_from_it(
    frames: int, spare: int, policy: ShortClips
) -> None:
    read = frames_to_read(frames, frames + spare, policy)
    assert read[:frames] == tuple(range(frames))
    assert len(read) == (frames if policy == "mask" else frames + spare)
    assert set(read) == set(range(frames))


@pytest.mark.parametrize(("frames", "clip_length"), [(0, 8), (9, 8), (-1, 8)])
def test_a_clip_that_cannot_be_is_refused(frames: int, clip_length: int) -> None:
    with pytest.raises(ValueError, match=f"{frames} frames"):
        frames_to_read(frames, clip_length, "wrap")
