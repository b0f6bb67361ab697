from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.vision.sampling import spread_clips

frame_counts = st.integers(0, 20_000)
clip_lengths = st.integers(1, 64)
clip_counts = st.integers(1, 40)


@given(frame_counts, clip_lengths, clip_counts)
def test_clips_are_ascending_disjoint_and_inside(count: int, length: int, clips: int) -> None:
    plan = spread_clips(count, length, clips)
    assert all(before.stop <= after.start for before, after in pairwise(plan))
    assert all(0 <= clip.start < clip.stop <= count for clip in plan)


@given(frame_counts, clip_lengths, clip_counts)
def test_number_and_length_of_clips_are_bounded(count: int, length: int, clips: int) -> None:
    plan = spread_clips(count, length, clips)
    assert len(plan) <= clips
    assert all(len(clip) == length for clip in plan[:-1])
    assert sum(map(len, plan)) == min(count, length * clips)


@given(st.integers(1, 20_000), clip_lengths, st.integers(2, 40))
def test_both_ends_are_covered(count: int, length: int, clips: int) -> None:
    plan = spread_clips(count, length, clips)
    assert plan[0].start == 0
    assert plan[-1].stop == count


@given(frame_counts, clip_lengths, st.integers(2, 40))
def test_gaps_are_even(count: int, length: int, clips: int) -> None:
    plan = spread_clips(count, length, clips)
    gaps = [after.start - before.stop for before, after in pairwise(plan)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_short_video_is_taken_whole_in_clips_that_touch() -> None:
    assert spread_clips(40, 16, 16) == (range(16), range(16, 32), range(32, 40))


def test_a_single_clip_of_a_long_video_lies_in_its_middle() -> None:
    assert spread_clips(100, 10, 1) == (range(45, 55),)


@pytest.mark.parametrize(("count", "length", "clips"), [(-1, 16, 16), (10, 0, 16), (10, 16, 0)])
def test_impossible_plans_are_refused(count: int, length: int, clips: int) -> None:
    with pytest.raises(ValueError, match=f"{clips} clips of {length} in {count} frames"):
        spread_clips(count, length, clips)
