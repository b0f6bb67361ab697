import numpy as np
import pytest
import torch

from unmask_shared.model.transforms import CropTransform


def test_channels_are_normalised_in_rgb_order():
    crops = np.zeros((1, 2, 2, 3), np.uint8)
    crops[..., 0] = 255

    result = CropTransform(mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))(crops)

    assert result.shape == (1, 3, 2, 2)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result[0, :, 0, 0], torch.tensor([1.0, -1.0, 0.0]))


def test_pixels_keep_their_places():
    crops = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 3), np.uint8)

    result = CropTransform(mean=(0, 0, 0), std=(1, 1, 1))(crops)

    np.testing.assert_allclose(
        result.permute(0, 2, 3, 1).numpy(), crops.astype(np.float32) / 255, atol=1e-6
    )


def test_read_only_crops_are_taken_and_not_changed():
    crops = np.full((1, 2, 2, 3), 7, np.uint8)
    crops.setflags(write=False)

    CropTransform()(crops.copy()).zero_()

    assert (crops == 7).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 2, 2, 3), np.float32),
        np.zeros((2, 2, 3), np.uint8),
        np.zeros((1, 3, 2, 2), np.uint8),
    ],
)
def test_anything_but_uint8_rgb_frames_is_refused(wrong):
    with pytest.raises(ValueError, match="uint8"):
        CropTransform()(wrong)
