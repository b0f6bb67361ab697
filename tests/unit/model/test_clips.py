"""Cutting a track into clips."""

from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.artifacts import BoundingBox, FaceFrame
from unmask_shared.model.clips import split_clips


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


@given(
    st.sets(st.integers(0, 200), min_size=1).map(sorted),
    st.integers(1, 20),
)
def test_clips_cover_all_frames_once_and_hold_consecutive_ones(
    numbers: list[int], clip_length: int
) -> None:
    frames = [face_frame(number, clip=number // 32) for number in numbers]
    clips = split_clips(frames, clip_length)
    assert [i for clip in clips for i in clip] == list(range(len(frames)))
    for clip in clips:
        assert 1 <= len(clip) <= clip_length
        assert len({frames[i].clip for i in clip}) == 1
        assert [frames[i].frame for i in clip] == list(
            range(frames[clip.start].frame, frames[clip.start].frame + len(clip))
        )
