from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.errors import VideoTooDemanding
from unmask_shared.vision.sampling import Plan, SamplingSettings, coverage, plan
from unmask_shared.vision.timeline import KeyFrame, Timeline

FPS = 25


def _timeline(frames: int, *, key_every: int = 250) -> Timeline:
    return Timeline(
        frames=frames,
        duration_s=frames / FPS,
        fps=FPS,
        key_frames=tuple(
            KeyFrame(packet=number, shown=number, stamp=number)
            for number in range(0, frames, key_every)
        ),
        has_stamps=True,
        times_s=None,
        can_seek=True,
    )


def _numbers(chosen: Plan) -> list[int]:
    return [number for clip in chosen.clips for number in clip]


settings = st.builds(
    SamplingSettings,
    policy=st.sampled_from(["clips", "uniform"]),
    clip_length=st.integers(1, 40),
    clip_period_s=st.floats(0.1, 10),
    min_clips=st.integers(1, 4),
    max_clips=st.integers(4, 24),
    max_decoded=st.integers(1, 20_000),
)


@given(st.integers(1, 100_000), st.integers(1, 2000), settings)
def test_plans_are_ascending_inside_the_video_and_within_the_budget(
    frames: int, key_every: int, chosen: SamplingSettings
) -> None:
    made = plan(_timeline(frames, key_every=key_every), chosen)
    numbers = _numbers(made)
    assert numbers == sorted(set(numbers))
    assert all(0 <= number < frames for number in numbers)
    assert made.frames == len(numbers) <= chosen.clip_length * chosen.max_clips
    assert made.frames <= made.cost <= chosen.max_decoded


@given(st.integers(1, 100_000), st.integers(1, 2000))
def test_the_cost_does_not_grow_with_the_length(frames: int, key_every: int) -> None:
    made = plan(_timeline(frames, key_every=key_every), SamplingSettings())
    assert made.cost <= SamplingSettings().max_decoded


def test_an_hour_costs_no_more_than_five_minutes() -> None:
    short, long = (
        plan(_timeline(seconds * FPS), SamplingSettings()) for seconds in (5 * 60, 60 * 60)
    )
    assert short.frames == long.frames == 16 * 16
    assert long.cost <= short.cost


@pytest.mark.parametrize(("seconds", "clips"), [(1, 2), (4, 4), (10, 5), (20, 10), (3600, 16)])
def test_longer_videos_get_more_clips_up_to_a_bound(seconds: int, clips: int) -> None:
    assert len(plan(_timeline(seconds * FPS), SamplingSettings()).clips) == clips


def test_clips_begin_at_key_frames_where_there_are_some_near() -> None:
    made = plan(_timeline(60_000, key_every=50), SamplingSettings())
    assert all(clip[0] % 50 == 0 for clip in made.clips)
    assert made.cost == made.frames
    places = [clip[0] for clip in made.clips]
    gaps = [later - earlier for earlier, later in pairwise(places)]
    assert max(gaps) - min(gaps) <= 100


def test_a_long_video_with_one_key_frame_is_looked_at_in_part() -> None:
    timeline = _timeline(90_000, key_every=10**9)
    made = plan(timeline, SamplingSettings())
    assert 0 < made.frames < 256
    assert made.cost <= SamplingSettings().max_decoded
    seen = [[number / FPS for number in clip] for clip in made.clips]
    assert coverage(made, timeline, seen).longest_gap_s > 3000


def test_uniform_frames_are_at_equal_distances() -> None:
    made = plan(_timeline(2560, key_every=25), SamplingSettings(policy="uniform"))
    numbers = _numbers(made)
    assert len(numbers) == 256
    assert {later - earlier for earlier, later in pairwise(numbers)} == {10} == {made.step}
    assert (numbers[0], numbers[-1]) == (5, 2555)


def test_all_frames_are_all_frames() -> None:
    made = plan(_timeline(70), SamplingSettings(policy="all"))
    assert _numbers(made) == list(range(70))
    assert list(map(len, made.clips)) == [16, 16, 16, 16, 6]


def test_all_frames_of_a_long_video_are_too_many() -> None:
    with pytest.raises(VideoTooDemanding, match="7000 frames; at most 6000"):
        plan(_timeline(7000), SamplingSettings(policy="all"))


@pytest.mark.parametrize(
    "name", ["clip_length", "clip_period_s", "min_clips", "max_clips", "max_decoded"]
)
def test_settings_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        SamplingSettings(**{name: 0})  # type: ignore[arg-type] # on purpose


def test_coverage_counts_what_was_seen_and_the_longest_stretch_that_was_not() -> None:
    timeline = _timeline(250)
    chosen = Plan(policy="clips", clips=(range(0, 25), range(100, 125)), cost=125)
    seen = [[n / FPS for n in range(0, 25)], [n / FPS for n in range(100, 120)]]
    found = coverage(chosen, timeline, seen)
    assert (found.clips, found.frames, found.missing_frames) == (2, 45, 5)
    assert found.sampled_s == pytest.approx(45 / FPS)
    assert found.longest_gap_s == pytest.approx(10 - 4.8)


def test_nothing_seen_is_no_coverage() -> None:
    chosen = Plan(policy="clips", clips=(range(16),), cost=16)
    found = coverage(chosen, _timeline(100), [[]])
    assert (found.clips, found.frames, found.missing_frames) == (0, 0, 16)
    assert found.longest_gap_s == pytest.approx(4)
