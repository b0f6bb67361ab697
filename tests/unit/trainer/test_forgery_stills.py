import numpy as np
import pytest

from unmask_trainer.demo_media import PORTRAITS, film_portrait
from unmask_trainer.forgeries.stills import animate_still, draw_still_motion

SIDE, FRAMES, MARGIN = 64, 16, 0.15


@pytest.fixture(scope="module")
def crop():
    frames, landmarks = film_portrait(PORTRAITS[1], steps=1)
    x, y = landmarks[0].mean(axis=0).astype(int)
    return np.ascontiguousarray(frames[0][y - 130 : y + 126 : 4, x - 128 : x + 128 : 4])


def test_a_still_becomes_a_clip_that_moves_slowly(crop):
    for seed in range(8):
        clip = animate_still(crop, FRAMES, np.random.default_rng(seed), margin=MARGIN).astype(float)

        assert clip.shape == (FRAMES, SIDE, SIDE, 3)
        steps = np.abs(np.diff(clip, axis=0)).mean(axis=(1, 2, 3))
        assert (steps > 0.2).all()
        assert steps.max() < 8
        assert np.abs(clip - crop).mean() < 20


def test_two_stills_move_alike_from_the_same_seed(crop):
    ramp = np.repeat(np.linspace(40, 200, SIDE).astype(np.uint8)[None, :, None], SIDE, axis=0)
    flat = np.ascontiguousarray(np.repeat(ramp, 3, axis=2))
    brighter = flat + 20

    first, twin, other = (
        animate_still(picture, FRAMES, np.random.default_rng(seed), margin=MARGIN).astype(int)
        for picture, seed in ((flat, 1), (brighter, 1), (flat, 2))
    )

    assert np.abs(twin - first - 20).max() <= 2
    assert np.abs(other - first).max() > 2
    assert np.array_equal(
        first, animate_still(flat, FRAMES, np.random.default_rng(1), margin=MARGIN)
    )
    assert not np.array_equal(
        animate_still(crop, 3, np.random.default_rng(1), margin=MARGIN)[0], crop
    )


def test_a_motion_can_be_played_for_a_still_and_its_forgery(crop):
    motion = draw_still_motion(FRAMES, np.random.default_rng(0))
    forged = crop.copy()
    forged[30:40, 30:40] = 255

    real, fake = (motion.play(picture, margin=MARGIN) for picture in (crop, forged))

    outside = np.ones((SIDE, SIDE), bool)
    outside[24:46, 24:46] = False
    assert (real != fake).any(axis=(1, 2, 3)).all()
    assert np.array_equal(real[:, outside], fake[:, outside])


def test_some_stills_blink_and_open_their_eyes_again():
    motions = [draw_still_motion(FRAMES, np.random.default_rng(seed)) for seed in range(60)]

    blinking = [motion for motion in motions if motion.blink.any()]

    assert 5 < len(blinking) < 40
    assert all(motion.blink.min() >= 0 and motion.blink.max() <= 1 for motion in motions)
    assert any(motion.blink[-1] == 0 for motion in blinking)
