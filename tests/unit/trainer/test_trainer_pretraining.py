import cv2
import numpy as np
import pytest
import torch

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_shared.vision.align import crop_matrix
from unmask_trainer.augmentations import augment, draw_augmentation, warp
from unmask_trainer.datasets.clips import ClipDataset
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.demo_media import PORTRAITS, film_portrait
from unmask_trainer.pretraining import PretrainingSettings, pretrain

SIDE, MARGIN = 64, 0.15


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Aligned crops of two people, each as a real video and as one that was forged."""
    folder = tmp_path_factory.mktemp("faces")
    found = []
    for portrait in PORTRAITS:
        frames, landmarks = film_portrait(portrait, steps=4)
        crops = np.stack(
            [
                cv2.warpAffine(frame, crop_matrix(points, size=SIDE, margin=MARGIN), (SIDE, SIDE))
                for frame, points in zip(frames, landmarks, strict=True)
            ]
        )
        for label, name in enumerate(("real", "fake")):
            path = folder / f"{portrait.name}-{name}.npy"
            np.save(path, crops if label == 0 else 255 - crops)
            video = LabelledVideo(
                path=folder / name / f"{portrait.name}.mp4", label=label, group=portrait.name
            )
            found.append(FaceClips(video=video, crops_path=path, clips=((0, 4),)))
    return found


def test_a_fresh_forgery_changes_what_its_mask_says_and_nothing_else(faces):
    fresh = FreshForgeries(faces, margin=MARGIN, share=1.0)
    rng = np.random.default_rng(0)

    for _ in range(20):
        crop, person = fresh.draw_original(rng)
        forged, opacity = fresh.forge_crop(crop, person, rng)
        assert opacity.max() <= 1
        assert not (crop != forged)[opacity == 0].any()
        assert (crop != forged)[opacity > 0.4].any()


def test_only_real_faces_are_forged_and_lent(faces):
    fresh = FreshForgeries(faces, margin=MARGIN, share=1.0)
    rng = np.random.default_rng(0)
    originals = np.concatenate([item.load() for item in faces if item.video.label == 0])

    for _ in range(10):
        crop, _ = fresh.draw_original(rng)
        assert any(np.array_equal(crop, original) for original in originals)


def test_fresh_forgeries_are_made_of_the_real_clip_of_their_unit(faces):
    def fake_of(share, epoch):
        fresh = FreshForgeries(faces, margin=MARGIN, share=share)
        clips = ClipDataset(faces, _Raw(), window=4, augmented=False, fresh=fresh)
        clips.set_epoch(epoch)
        return clips[1][0].numpy(), clips[0][0].numpy()

    stored, real = fake_of(0.0, 1)
    fresh, _ = fake_of(1.0, 1)
    other, _ = fake_of(1.0, 2)
    assert np.array_equal(stored, 255 - real)
    assert not np.array_equal(fresh, stored)
    assert np.array_equal(fresh, fake_of(1.0, 1)[0])
    assert not np.array_equal(fresh, other)
    assert np.array_equal(fresh[:, :4, :4], real[:, :4, :4])


class _Raw(CropTransform):
    """Leaves the pixels as they are."""

    def __call__(self, crops):
        return torch.from_numpy(crops)


def test_a_mask_moves_with_the_picture_under_augmentation():
    rng = np.random.default_rng(0)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    cv2.circle(picture, (20, 30), 8, (255, 255, 255), -1)
    mask = (picture[..., 0] / 255).astype(np.float32)

    for _ in range(20):
        change = draw_augmentation(rng, SIDE)
        seen = augment(picture[None], change, rng)[0].mean(axis=2) > 100
        moved = warp(mask, change) > 0.5
        assert (seen != moved).mean() < 0.02


def test_pretraining_fits_the_trunk_alone_and_reports(faces):
    torch.manual_seed(0)
    model = ResNetLSTM(Architecture(lstm_hidden=8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    reports = []

    pretrain(
        model,
        faces,
        faces,
        PretrainingSettings(steps=60, pairs=4, side=32, report_every=20, val_pairs=16),
        margin=MARGIN,
        device=torch.device("cpu"),
        on_report=reports.append,
    )

    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert "trunk.conv1.weight" in changed
    assert not [name for name in changed if not name.startswith("trunk.")]
    assert [report.step for report in reports] == [20, 40, 60]
    assert reports[-1].loss < reports[0].loss
    assert all(0 <= report.val_auc <= 1 for report in reports)
