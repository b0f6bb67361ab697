import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_trainer.demo_media import PORTRAITS, film_portrait
from unmask_trainer.forgeries.blending import forge
from unmask_trainer.forgeries.geometry import (
    Outline,
    Region,
    apply,
    compose,
    face_to_frame,
    inverse,
    soft_mask,
)
from unmask_trainer.forgeries.recipes import Detail, Recipe, draw_recipe

STEPS = 5


@pytest.fixture(scope="module")
def portrait():
    return film_portrait(PORTRAITS[1], steps=STEPS)


def make_recipe(**changes):
    content = {
        "outline": Outline(region=Region.INNER_FACE),
        "feather": 0.05,
        "opacity": 1.0,
        "shift": (0.05, 0.0),
        "scale": 1.0,
        "turn": 0.0,
        "bend": 0.0,
        "gain": (1.1, 1.0, 0.9),
        "offset": (0.0, 0.0, 0.0),
        "detail": Detail.AS_IS,
        "detail_strength": 0.5,
        "flicker": 0.0,
    }
    return Recipe(**{**content, **changes})


def forged_clip(portrait, recipe, seed=0):
    frames, landmarks = portrait
    return list(forge(frames, landmarks, recipe, np.random.default_rng(seed)))


@pytest.mark.parametrize("region", list(Region))
def test_only_the_chosen_region_changes(portrait, region):
    frames, landmarks = portrait
    outline = Outline(region=region)
    recipe = make_recipe(outline=outline)

    for frame, forged, points in zip(frames, forged_clip(portrait, recipe), landmarks, strict=True):
        pose = face_to_frame(points)
        size = frame.shape[:2]
        changed = (frame != forged).any(axis=2)
        core = soft_mask(outline, pose, size=size, feather=0.02) > 0.99
        # The landmarks are smoothed over time before use, so the mask may lie a pixel aside.
        near = soft_mask(outline, pose, size=size, feather=0.12) > 0
        assert changed[core].mean() > 0.8
        assert not changed[~near].any()


def test_the_originals_are_left_alone(portrait):
    before = [frame.copy() for frame in portrait[0]]

    forged_clip(portrait, make_recipe())

    assert all(np.array_equal(a, b) for a, b in zip(before, portrait[0], strict=True))


def test_a_still_clip_stays_still_when_nothing_flickers():
    frames, landmarks = film_portrait(PORTRAITS[1], steps=1)
    still = ([frames[0]] * STEPS, [landmarks[0]] * STEPS)

    steady = forged_clip(still, make_recipe(bend=0.03))
    flickering = forged_clip(still, make_recipe(flicker=1.0))

    assert all(np.array_equal(steady[0], frame) for frame in steady)
    assert not np.array_equal(flickering[0], flickering[-1])


def test_a_flicker_is_small_beside_the_forgery(portrait):
    frames, _ = portrait
    steady, flickering = (
        forged_clip(portrait, make_recipe(flicker=flicker)) for flicker in (0.0, 1.0)
    )

    forgery = np.mean([difference(a, b) for a, b in zip(frames, steady, strict=True)])
    flicker = np.mean([difference(a, b) for a, b in zip(steady, flickering, strict=True)])
    assert 0 < flicker < 0.6 * forgery


def difference(first, second):
    return np.abs(first.astype(int) - second).mean()


def test_the_same_seed_gives_the_same_forgery(portrait):
    recipe = make_recipe(flicker=1.0, bend=0.03)

    first, again, other = (forged_clip(portrait, recipe, seed) for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("detail", [Detail.BLURRED, Detail.LOW_RESOLUTION])
def test_lost_detail_makes_the_face_smoother(portrait, detail):
    recipe = make_recipe(shift=(0.0, 0.0), gain=(1.0, 1.0, 1.0), detail=detail)

    assert roughness(portrait, recipe) < 0.9 * roughness(portrait, None)


def test_sharpening_makes_the_face_rougher(portrait):
    recipe = make_recipe(shift=(0.0, 0.0), gain=(1.0, 1.0, 1.0), detail=Detail.SHARPENED)

    assert roughness(portrait, recipe) > 1.1 * roughness(portrait, None)


def roughness(portrait, recipe):
    frames, landmarks = portrait
    frame = forged_clip(portrait, recipe)[0] if recipe else frames[0]
    left, top = landmarks[0].min(axis=0).astype(int)
    right, bottom = landmarks[0].max(axis=0).astype(int)
    return np.abs(np.diff(frame[top:bottom, left:right].astype(int), axis=1)).mean()


def test_every_frame_needs_landmarks(portrait):
    frames, landmarks = portrait

    with pytest.raises(ValueError, match="5 frames, but landmarks for 4"):
        forge(frames, landmarks[:-1], make_recipe(), np.random.default_rng(0))


def test_a_face_beyond_the_frame_is_forged_as_far_as_it_is_seen(portrait):
    frames, landmarks = portrait
    aside = [points - (landmarks[0][:, 0].mean(), 0) for points in landmarks]

    forged = list(forge(frames, aside, make_recipe(), np.random.default_rng(0)))

    assert all(frame.shape == frames[0].shape for frame in forged)
    assert not np.array_equal(forged[0], frames[0])


def test_a_face_that_left_the_frame_is_left_alone(portrait):
    frames, landmarks = portrait
    gone = [points + np.array([0, 10_000]) for points in landmarks]

    forged = list(forge(frames, gone, make_recipe(), np.random.default_rng(0)))

    assert all(np.array_equal(a, b) for a, b in zip(forged, frames, strict=True))


@given(st.integers(0, 2**32))
@settings(max_examples=200)
def test_every_recipe_leaves_at_least_two_traces_and_none_is_grotesque(seed):
    recipe = draw_recipe(np.random.default_rng(seed))

    traces = [
        recipe.scale != 1.0,
        recipe.gain != (1.0, 1.0, 1.0),
        recipe.detail is not Detail.AS_IS,
    ]
    assert sum(traces) >= 2
    assert 0.5 <= recipe.opacity <= 1
    assert max(np.abs(recipe.shift)) <= 0.08


def test_recipes_are_not_all_of_one_kind():
    rng = np.random.default_rng(0)
    methods = {draw_recipe(rng).method for _ in range(300)}

    assert len(methods) > 10
    assert {method.split(".")[1] for method in methods} == set(Region)


@given(st.floats(20, 400), st.floats(-3, 3), st.tuples(st.floats(-500, 500), st.floats(-500, 500)))
def test_the_pose_follows_a_moved_turned_and_scaled_face(scale, angle, place):
    template = np.array([(-0.7, 0), (-0.3, 0), (0.3, 0), (0.7, 0), (0, 0.75)])
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = template @ linear.T + place

    pose = face_to_frame(landmarks)

    np.testing.assert_allclose(apply(pose, template), landmarks, atol=1e-6 * scale + 1e-9)
    np.testing.assert_allclose(
        compose(inverse(pose), pose), np.column_stack([np.eye(2), np.zeros(2)]), atol=1e-6
    )


def test_a_mask_moves_smoothly_with_the_face():
    outline = Outline(region=Region.FACE)
    pose = np.array([[30.0, 0, 64], [0, 30.0, 50]])

    def mask_at(shift):
        moved = pose + np.array([[0, 0, shift], [0, 0, 0]])
        return soft_mask(outline, moved, size=(128, 128), feather=0.05)

    still, moved = mask_at(0.0), mask_at(0.25)
    assert 0 < np.abs(moved - still).max() < 0.12
    assert still.min() == 0
    assert still.max() == pytest.approx(1)
