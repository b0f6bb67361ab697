"""Every method of forgery, on whole frames and on aligned crops of two portraits."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_shared.errors import InvalidRequest
from unmask_shared.vision.align import crop_matrix, template
from unmask_trainer.demo_media import PORTRAITS, film_portrait
from unmask_trainer.forgeries.blending import AlteredCopy
from unmask_trainer.forgeries.clips import FaceClip, back_and_forth, render
from unmask_trainer.forgeries.colours import Transfer, fit_colours
from unmask_trainer.forgeries.dense_warp import face_to_face
from unmask_trainer.forgeries.face_shape import find_shape
from unmask_trainer.forgeries.face_swap import FaceSwap, Swap
from unmask_trainer.forgeries.fields import GRID, grid_points, to_pixels
from unmask_trainer.forgeries.geometry import apply, inverse
from unmask_trainer.forgeries.membrane import Membrane
from unmask_trainer.forgeries.methods import (
    METHODS,
    Material,
    can_draw,
    check_weights,
    draw_forgery,
    draw_method,
)
from unmask_trainer.forgeries.mouth import MouthOfAnotherMoment, MouthWarp
from unmask_trainer.forgeries.network import NetworkFace, Paste
from unmask_trainer.forgeries.self_blended import BLEND_RATIOS, SelfBlended
from unmask_trainer.forgeries.textures import TextureSpace

STEPS, SIDE, MARGIN = 6, 112, 0.15


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def crops_of(frames, landmarks):
    matrices = [crop_matrix(points, size=SIDE, margin=MARGIN) for points in landmarks]
    crops = [
        cv2.warpAffine(frame, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)
        for frame, matrix in zip(frames, matrices, strict=True)
    ]
    return FaceClip.aligned(np.stack(crops), template(SIDE, MARGIN))


@pytest.fixture(scope="module")
def footage():
    return [FaceClip.tracked(*film_portrait(portrait, steps=STEPS)) for portrait in PORTRAITS]


@pytest.fixture(scope="module")
def crops():
    return [crops_of(*film_portrait(portrait, steps=STEPS)) for portrait in PORTRAITS]


@pytest.fixture(scope="module")
def noisy_pair():
    """A dark and a bright face of noise, for what does not depend on faces."""
    rng = np.random.default_rng(0)
    clips = [rng.integers(low, low + 100, (2, SIDE, SIDE, 3), np.uint8) for low in (20, 130)]
    return [FaceClip.aligned(clip, template(SIDE, MARGIN)) for clip in clips]


@pytest.fixture(params=["footage", "crops"])
def pair(request):
    return request.getfixturevalue(request.param)


def forgeries_of(method, clip, donor, seeds=range(4)):
    material = Material(clip=clip, donor=donor)
    for seed in seeds:
        forgery = draw_forgery(method, material, np.random.default_rng(seed))
        yield forgery, list(render(clip, forgery))


@pytest.mark.parametrize("method", METHODS)
def test_what_the_mask_leaves_out_stays_as_it_was(pair, method):
    clip, donor = pair

    for forgery, forged in forgeries_of(method, clip, donor):
        assert forgery.method.startswith(f"{method}.")
        for original, (frame, mask) in zip(clip.frames, forged, strict=True):
            assert frame.shape == original.shape
            assert mask.dtype == np.float32
            assert 0 <= mask.min() <= mask.max() <= 1
            assert not (frame != original)[mask == 0].any()
            assert (frame != original).any(axis=2)[mask > 0.5].any() or mask.max() <= 0.5


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_forgery_and_another_one_another(crops, method):
    clip, donor = crops
    first, again, other = (next(forgeries_of(method, clip, donor, [seed]))[1] for seed in (5, 5, 6))

    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, other, strict=True))


def still(clip):
    """The first frame again and again: nothing moves but the forgery."""
    return FaceClip(
        frames=[clip.frames[0]] * 12, landmarks=np.repeat(clip.landmarks[:1], 12, axis=0)
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_is_forged_changes_slowly(footage, method):
    clip, donor = still(footage[1]), still(footage[0])

    for forgery, forged in forgeries_of(method, clip, donor):
        # The same still mouth; and the one forgery that is nothing but quick changes.
        if forgery.method in ("mouth_reenactment.moment", "flicker.own"):
            continue
        frames = np.stack([frame for frame, _ in forged]).astype(float)
        forgery_itself = np.abs(frames - clip.frames[0]).mean()
        from_frame_to_frame = np.abs(np.diff(frames, axis=0)).mean()
        assert from_frame_to_frame < 0.6 * forgery_itself, forgery.method


def detail(frame):
    return cv2.Laplacian(np.asarray(frame, np.float64), cv2.CV_64F)


def test_flicker_shows_from_frame_to_frame_and_hardly_in_any_single_one(footage):
    clip = still(footage[1])

    for forgery, forged in forgeries_of("flicker", clip, None):
        frames = np.stack([frame for frame, _ in forged]).astype(float)
        inside = np.stack([mask for _, mask in forged]).min(axis=0) > 0.9
        away = np.abs(frames - clip.frames[0])[:, inside].mean()
        assert np.abs(np.diff(frames, axis=0))[:, inside].mean() > 0.8 * away, forgery.method
        # Moving a picture by parts of a pixel must not soften it: that would be seen in a still.
        sharpness = [detail(frame)[inside].var() for frame in frames]
        assert min(sharpness) > 0.7 * detail(clip.frames[0])[inside].var()


def weight_of(mask, box):
    left, top, right, bottom = box
    return float(mask[top:bottom, left:right].sum() / mask.sum())


@pytest.mark.parametrize("kind", [MouthWarp, MouthOfAnotherMoment])
def test_mouth_forgeries_change_the_mouth_and_the_jaw_alone(crops, kind):
    clip = crops[1]
    nose = template(SIDE, MARGIN)[4, 1]

    for seed in range(5):
        for _, mask in render(clip, kind(clip, np.random.default_rng(seed))):
            assert weight_of(mask, (0, int(nose) - 4, SIDE, SIDE)) == 1
            assert weight_of(mask, (20, 60, 92, 108)) > 0.95


def test_an_opened_mouth_is_dark_inside(crops):
    clip = crops[0]
    mouth = apply(clip.pose(0), find_shape(clip).mouth[None])[0].round().astype(int)
    darkest = []
    for seed in range(12):
        frames = [frame for frame, _ in render(clip, MouthWarp(clip, np.random.default_rng(seed)))]
        rows = np.stack(frames)[:, mouth[1] - 4 : mouth[1] + 10, mouth[0] - 3 : mouth[0] + 4]
        darkest.append(rows.mean(axis=(2, 3)).min())

    before = clip.frames[0][mouth[1] - 4 : mouth[1] + 10, mouth[0] - 3 : mouth[0] + 4]
    assert min(darkest) < 0.8 * before.mean(axis=(1, 2)).min()


def test_the_mouth_of_another_moment_is_that_of_another_frame(noisy_pair):
    clip = noisy_pair[0]
    forged = [f for f, _ in render(clip, MouthOfAnotherMoment(clip, np.random.default_rng(3)))]
    y, x = 85, 56

    def difference(one, other):
        return np.abs(
            one[y - 4 : y + 4, x - 4 : x + 4].astype(float) - other[y - 4 : y + 4, x - 4 : x + 4]
        ).mean()

    assert difference(forged[0], clip.frames[1]) < difference(forged[0], clip.frames[0])


def test_a_swap_covers_the_inner_face_with_the_donors(footage):
    clip, donor = footage
    swap = FaceSwap(clip, donor, np.random.default_rng(0))

    frame, mask = next(render(clip, swap))

    eyes_and_nose = clip.landmarks[0].round().astype(int)
    assert (mask[eyes_and_nose[:, 1], eyes_and_nose[:, 0]] > 0.5).all()
    assert np.abs(frame.astype(float) - clip.frames[0])[mask > 0.9].mean() > 5
    assert swap.uses_donor


@pytest.mark.parametrize("transfer", Transfer)
def test_a_swap_takes_the_colours_of_the_face_that_it_covers(crops, transfer):
    clip, donor = crops
    middle = np.s_[45:75, 40:72]
    _, patch = clip.patch(0)

    content = Swap(clip, donor, transfer).content(0, patch)

    raw = np.abs(donor.frames[0][middle].mean((0, 1)) - clip.frames[0][middle].mean((0, 1))).max()
    left = np.abs(content[middle].mean((0, 1)) - clip.frames[0][middle].mean((0, 1))).max()
    assert left < max(12.0, 0.6 * raw)


@pytest.mark.parametrize("transfer", Transfer)
def test_colours_of_equal_statistics_stay_as_they_are(transfer):
    rng = np.random.default_rng(0)
    pixels = rng.uniform(40, 200, (500, 3)).astype(np.float32)

    same = fit_colours(transfer, pixels, pixels)(pixels[None])[0]

    np.testing.assert_allclose(same, pixels, atol=2)


def test_the_donors_expression_goes_on_in_step(noisy_pair):
    clip, donor = noisy_pair
    swap = Swap(clip, donor, Transfer.CHANNELS)
    patches = [clip.patch(step)[1] for step in range(2)]

    first, second = (swap.content(step, patches[0]) for step in range(2))

    assert not np.allclose(first, second)


def test_a_still_lends_its_face_to_a_whole_clip(crops):
    clip, donor = crops
    one = FaceClip.aligned(np.stack(donor.frames[:1]), template(SIDE, MARGIN))

    forged = list(render(clip, FaceSwap(clip, one, np.random.default_rng(0))))

    assert len(forged) == STEPS


@given(st.integers(0, 100), st.integers(1, 9))
def test_a_donor_runs_back_and_forth_without_jumps(step, length):
    here, following = back_and_forth(step, length), back_and_forth(step + 1, length)

    assert 0 <= here < length
    assert abs(here - following) == (1 if length > 1 else 0)


def test_a_dense_warp_brings_each_point_to_its_match(footage):
    here, there = (find_shape(clip).points() for clip in footage)

    field = face_to_face(here, there)

    # Read the field at the points, in a view of 100 pixels for an eye distance.
    pose = np.array([[100.0, 0, 300], [0, 100.0, 300]])
    seen = to_pixels(field, pose, (700, 600))
    places = apply(pose, here).round().astype(int)
    found = seen[places[:, 1], places[:, 0]]
    assert np.abs(found - there).max() < 0.08
    far = np.abs(grid_points()).max(axis=1).reshape(GRID, GRID) > 2.5
    assert np.abs(field[far] - grid_points().reshape(GRID, GRID, 2)[far]).max() < 0.2


def test_shapes_of_faces_are_near_an_average_one(footage):
    for clip in footage:
        shape = find_shape(clip)
        assert 0.95 < shape.mouth_y < 1.45
        assert ((shape.radii > 0.85) & (shape.radii < 1.15)).all()


def test_the_membrane_takes_a_difference_of_brightness_away(crops):
    clip = crops[0]
    outline = find_shape(clip).hull(brow=0.5)

    def too_bright(step, patch):
        return patch.pixels + np.float32(20)

    correction = Membrane(clip, outline, too_bright).at(3, clip.patch(3)[1])

    np.testing.assert_allclose(correction, -20, atol=0.5)


def test_a_network_loses_fine_detail_and_stays_within_its_shape(crops):
    clip = crops[0]
    corner = template(SIDE, MARGIN)[0].round().astype(int)

    def roughness(frame):
        return np.abs(np.diff(frame[40:90, 35:77].astype(float), axis=1)).mean()

    for seed, paste in itertools.product(range(3), Paste):
        forgery = NetworkFace(clip, np.random.default_rng(seed), paste=paste)
        frame, mask = next(render(clip, forgery))
        assert mask[corner[1], corner[0]] < 0.01 if paste is Paste.LOWER_BOX else mask.max() > 0.95
        if paste is not Paste.LOWER_BOX:
            assert roughness(frame) < roughness(clip.frames[0])


def test_a_box_has_straight_borders(crops):
    clip = crops[0]

    _, mask = next(render(clip, NetworkFace(clip, np.random.default_rng(0), paste=Paste.BOX)))

    rows = mask[40:80]
    assert np.abs(rows - rows[0]).max() < 0.02


def test_few_components_make_a_face_a_mixture_of_known_ones(crops):
    known = [
        FaceClip.aligned(np.stack(clip.frames[step : step + 1]), template(SIDE, MARGIN))
        for clip in crops
        for step in range(STEPS)
    ]
    space = TextureSpace.fit(known, components=1)
    rng = np.random.default_rng(0)

    mixed = space.project(rng.uniform(0, 255, (48, 48, 3)).astype(np.float32)).ravel()

    apart = mixed - space.mean
    along = space.components[0] * (space.components[0] @ apart)
    np.testing.assert_allclose(apart, along, atol=1e-2)


def test_self_blended_images_keep_to_the_papers_blend_ratios(crops):
    clip = crops[0]
    shape = find_shape(clip)

    highest = {
        round(
            float(next(render(clip, SelfBlended(shape, np.random.default_rng(seed))))[1].max()), 2
        )
        for seed in range(25)
    }

    assert highest == set(BLEND_RATIOS)


def test_both_kinds_of_self_blending_are_drawn(crops):
    kinds = {
        type(draw_forgery("self_blend", Material(clip=crops[0]), np.random.default_rng(seed)))
        for seed in range(10)
    }

    assert kinds == {SelfBlended, AlteredCopy}


@pytest.mark.parametrize(
    ("given", "left_out", "missing"),
    [
        ({"has_donor": True, "has_motion": True}, set(), ""),
        ({"has_donor": False, "has_motion": True}, {"face_swap"}, "two people"),
        ({"has_donor": True, "has_motion": False}, {"flicker"}, "several frames"),
    ],
)
def test_methods_are_drawn_only_where_there_is_what_they_need(given, left_out, missing):
    weights, rng = dict.fromkeys(METHODS, 1.0), np.random.default_rng(0)

    drawn = {draw_method(weights, rng, **given) for _ in range(150)}

    assert drawn == set(METHODS) - left_out
    if left_out:
        with pytest.raises(InvalidRequest, match=missing):
            draw_method(dict.fromkeys(left_out, 1.0), rng, **given)


def test_a_data_set_without_two_people_needs_a_method_without_donors():
    assert not can_draw({"face_swap": 1.0}, has_donor=False)
    assert can_draw({"face_swap": 1.0}, has_donor=True)


@settings(max_examples=30)
@given(st.sampled_from(sorted(METHODS)))
def test_a_method_that_is_held_out_is_never_drawn(held_out):
    weights = {name: 0.0 if name == held_out else 1.0 for name in METHODS}
    rng = np.random.default_rng(0)

    drawn = {draw_method(weights, rng, has_donor=True, has_motion=True) for _ in range(50)}
    assert held_out not in drawn


@pytest.mark.parametrize("weights", [{}, {"nope": 1.0}, {"network": 0.0}, {"network": -1.0}])
def test_weights_that_cannot_be_drawn_by_are_refused(weights):
    with pytest.raises(InvalidRequest, match="method"):
        check_weights(weights)


def test_a_clip_needs_landmarks_for_every_frame(crops):
    with pytest.raises(ValueError, match="6 frames, but landmarks for 5"):
        FaceClip(frames=crops[0].frames, landmarks=crops[0].landmarks[:5])
    with pytest.raises(ValueError, match="at least one frame"):
        FaceClip(frames=[], landmarks=np.zeros((0, 5, 2)))


def test_dense_landmarks_bend_a_swap_where_they_are_given(footage):
    clip, donor = footage

    def with_points(item, bend):
        shape = find_shape(item).points()[:29]
        points = np.concatenate([shape, np.zeros((39, 2)) + np.arange(39)[:, None] * 0.01 + 0.2])
        points[7] += bend
        found = np.stack([apply(item.pose(step), points) for step in range(STEPS)])
        return FaceClip(frames=item.frames, landmarks=item.landmarks, points=found)

    contents = [
        Swap(with_points(clip, bend), with_points(donor, 0.0), Transfer.CHANNELS).content(
            0, clip.patch(0)[1]
        )
        for bend in (0.0, 0.15)
    ]

    changed = np.abs(contents[0] - contents[1]).max(axis=2) > 1
    places = clip.patch(0)[1].pose
    nose = apply(places, np.array([[0.0, 0.4]]))[0].round().astype(int)
    assert changed[nose[1] - 20 : nose[1] + 20, nose[0] - 20 : nose[0] + 20].any()
    assert inverse(places).shape == (2, 3)
