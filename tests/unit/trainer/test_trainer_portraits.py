import numpy as np
import pytest

from unmask_trainer.datasets.portraits import CameraMotion, camera_path, draw_motion, film
from unmask_trainer.forgeries.geometry import apply
from unmask_trainer.noise import slow_noise

SIZE = (64, 48)
STILL = CameraMotion(zoom=(1.0, 1.0), pan=(0.0, 0.0), turn=(0.0, 0.0), shake=0.0, noise=0.0)


def path_of(motion, steps=20, seed=0):
    rng = np.random.default_rng(seed)
    return camera_path(motion, rng, steps=steps, focus=(10.0, 20.0), scale=2.0, size=SIZE)


def test_a_camera_that_does_not_move_keeps_the_focus_in_the_middle():
    for matrix in path_of(STILL):
        np.testing.assert_allclose(apply(matrix, np.array([[10.0, 20.0]])), [[24, 32]])
        np.testing.assert_allclose(matrix[:, :2], 2 * np.eye(2))


def test_motion_is_slow_and_steady():
    for seed in range(20):
        path = path_of(draw_motion(np.random.default_rng(seed)), steps=40, seed=seed)
        corners = np.stack([apply(matrix, np.array([[0.0, 0.0], [20, 40]])) for matrix in path])
        assert np.abs(np.diff(corners, axis=0)).max() < 2
        assert np.abs(corners[-1] - corners[0]).max() > 0.1


def test_one_step_is_a_path_too():
    assert len(path_of(draw_motion(np.random.default_rng(0)), steps=1)) == 1


def test_film_shows_the_portrait_where_the_path_puts_it():
    portrait = np.zeros((40, 20, 3), np.uint8)
    portrait[18:23, 8:13] = 255

    frames = film(portrait, path_of(STILL, 2), np.random.default_rng(0), size=SIZE, noise=0)

    assert frames[0].shape == (*SIZE, 3)
    assert frames[0][32, 24].min() > 250
    assert frames[0][5, 5].max() == 0
    assert np.array_equal(frames[0], frames[1])


def test_noise_has_the_strength_asked_for_and_changes_from_frame_to_frame():
    portrait = np.full((40, 20, 3), 128, np.uint8)

    frames = film(portrait, path_of(STILL, 3), np.random.default_rng(0), size=SIZE, noise=4.0)

    assert np.std(frames[0]) == pytest.approx(4, rel=0.1)
    assert np.corrcoef(frames[0].ravel(), frames[1].ravel())[0, 1] < 0.1


def test_slow_noise_has_unit_variance_and_small_steps():
    curves = slow_noise(np.random.default_rng(0), steps=20_000, channels=2, width=2.0)

    assert curves.shape == (20_000, 2)
    np.testing.assert_allclose(curves.std(axis=0), 1, rtol=0.05)
    assert np.diff(curves, axis=0).std() < 0.5
    assert abs(np.corrcoef(curves.T)[0, 1]) < 0.05
