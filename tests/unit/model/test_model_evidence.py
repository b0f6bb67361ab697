"""Evidence of clips, from a classifier to a coloured crop."""

import numpy as np
import pytest
import torch

from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model.evidence import ClipEvidence
from unmask_shared.model.overlay import overlay
from unmask_shared.model.predict import ClipClassifier


def evidence(*frames):
    return ClipEvidence(logits=np.zeros(2, np.float32), maps=np.array(frames, np.float32))


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (n, 32, 32, 3), np.uint8) for n in (8, 3, 8, 5, 1)]


@pytest.mark.parametrize("short_clips", ["mask", "repeat_last", "wrap"])
def test_each_clip_is_explained_with_the_logits_that_it_is_judged_by(
    tmp_path, small_model, draft, clips, short_clips
):
    draft = draft.model_copy(update={"short_clips": short_clips})
    save_checkpoint(tmp_path, model=small_model, draft=draft)
    classifier = ClipClassifier(load_checkpoint(tmp_path), batch_size=2)

    found = classifier.explain(clips)

    assert [len(one.maps) for one in found] == [len(clip) for clip in clips]
    assert all(np.abs(one.maps).max() > 0 for one in found)
    logits = np.stack([one.logits for one in found])
    np.testing.assert_allclose(logits, classifier.logits(clips), atol=1e-5)
    assert classifier.explain([]) == []
    with pytest.raises(IncompatibleFaces, match="clip 1"):
        classifier.explain([clips[0], clips[1][:, :16]])


def test_a_frame_that_is_read_again_has_the_evidence_of_all_its_readings(
    tmp_path, small_model, draft, clips
):
    """Three frames, of which the last fills up the clip, are the clip that is written out."""
    save_checkpoint(
        tmp_path, model=small_model, draft=draft.model_copy(update={"short_clips": "repeat_last"})
    )
    classifier = ClipClassifier(load_checkpoint(tmp_path))
    short = clips[1]

    (found,) = classifier.explain([short])
    (written_out,) = classifier.explain([short[[0, 1, 2, 2, 2, 2, 2, 2]]])

    torch.testing.assert_close(found.maps[:2], written_out.maps[:2])
    torch.testing.assert_close(found.maps[2], written_out.maps[2:].sum(axis=0))


def test_all_frames_of_a_clip_have_one_scale_and_evidence_against_stays_cold():
    found = evidence([[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 4.0]], [[-2.0, 0.0], [0.0, 0.0]])

    maps = np.stack([found.heatmap(position, 16) for position in range(len(found.maps))])

    assert maps.shape == (3, 16, 16)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps.max(axis=(1, 2)), [0.25, 1.0, 0.0])
    assert maps[0, 0, 0] == 0.25
    assert maps[1, -1, -1] == 1.0
    np.testing.assert_array_equal(found.contributions, [1, 4, -2])


def test_a_clip_in_which_all_speaks_for_real_stays_pale():
    assert evidence([[0.1, -1.0]]).heatmap(0, 8).max() == pytest.approx(0.1)
    assert not evidence([[-0.1, -1.0]]).heatmap(0, 8).any()
    assert not evidence([[0.0, 0.0]]).heatmap(0, 8).any()


@pytest.mark.parametrize(("logits", "maps"), [((1,), (2, 3, 3)), ((2,), (3, 3)), ((2,), (0, 3, 3))])
def test_evidence_of_another_shape_is_refused(logits, maps):
    with pytest.raises(ValueError, match="evidence has"):
        ClipEvidence(logits=np.zeros(logits, np.float32), maps=np.zeros(maps, np.float32))


def test_an_overlay_shows_the_face_where_it_is_cold_and_the_colour_where_it_is_hot():
    crop = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    heat = np.zeros((32, 32), np.float32)
    heat[16:] = 1

    drawn = overlay(crop, heat)

    assert (drawn.shape, drawn.dtype) == (crop.shape, np.uint8)
    assert np.ptp(drawn[:16].astype(int), axis=2).max() == 0
    assert drawn[:16, :, 0].std() > 40
    red, _, blue = (drawn[16:, :, channel].mean() for channel in range(3))
    assert red > blue + 80


def test_hotter_is_lighter():
    crop = np.full((1, 11, 3), 60, np.uint8).repeat(11, axis=0)
    heat = np.linspace(0, 1, 11, dtype=np.float32)[None].repeat(11, axis=0)

    lightness = overlay(crop, heat)[0].astype(float) @ (0.2126, 0.7152, 0.0722)

    assert (np.diff(lightness[2:]) > 0).all()


@pytest.mark.parametrize(
    ("shape", "heat"), [((8, 8), 0.5), ((16, 16), 1.1), ((16, 16), -0.1), ((16, 16), np.nan)]
)
def test_a_map_that_does_not_fit_is_refused(shape, heat):
    with pytest.raises(ValueError, match=r"heat is in|does not fit"):
        overlay(np.zeros((16, 16, 3), np.uint8), np.full(shape, heat, np.float32))
