import numpy as np
import pytest
import torch

from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model.predict import ClipClassifier, best_device

TOLERANCE = 1e-4


@pytest.fixture
def classifier(checkpoint_folder):
    return ClipClassifier(load_checkpoint(checkpoint_folder), batch_size=3)


def make_clips(lengths):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (length, 32, 32, 3), np.uint8) for length in lengths]


def test_one_row_of_logits_for_each_clip_in_order(classifier):
    clips = make_clips([8, 5, 8, 1, 4])

    logits = classifier.logits(clips)

    assert logits.shape == (5, 2)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(classifier.logits(clips[::-1]), logits[::-1], atol=TOLERANCE)


def test_a_clips_logits_do_not_depend_on_its_batch(classifier):
    clips = make_clips([8, 5, 8, 1, 4])

    alone = np.concatenate([classifier.logits([clip]) for clip in clips])

    np.testing.assert_allclose(classifier.logits(clips), alone, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("policy", "filled"),
    [("repeat_last", [0, 1, 2, 2, 2, 2, 2, 2]), ("wrap", [0, 1, 2, 0, 1, 2, 0, 1])],
)
def test_the_card_says_how_short_clips_are_filled(tmp_path, small_model, draft, policy, filled):
    card = draft.model_copy(update={"short_clips": policy})
    save_checkpoint(tmp_path, model=small_model, draft=card)
    classifier = ClipClassifier(load_checkpoint(tmp_path))
    (clip,) = make_clips([3])

    np.testing.assert_allclose(
        classifier.logits([clip]), classifier.logits([clip[filled]]), atol=TOLERANCE
    )


def test_short_clips_are_masked_unless_the_card_says_otherwise(
    tmp_path, classifier, small_model, draft
):
    wrapping = draft.model_copy(update={"short_clips": "wrap"})
    save_checkpoint(tmp_path, model=small_model, draft=wrapping)
    (clip,) = make_clips([3])

    masked, wrapped = classifier, ClipClassifier(load_checkpoint(tmp_path))

    assert np.abs(masked.logits([clip]) - wrapped.logits([clip])).max() > TOLERANCE


def test_the_order_of_the_frames_matters(classifier):
    clip = make_clips([8])[0]

    difference = classifier.logits([clip]) - classifier.logits([clip[::-1].copy()])

    assert np.abs(difference).max() > TOLERANCE


def test_no_clips_give_no_logits(classifier):
    assert classifier.logits([]).shape == (0, 2)


def test_the_card_is_that_of_the_checkpoint(classifier):
    assert classifier.card.name == "resnet-lstm"


def test_nothing_is_learnt_from_what_is_classified(classifier):
    clips = make_clips([8, 8])
    before = classifier.logits(clips)

    classifier.logits(make_clips([3, 2]))

    np.testing.assert_array_equal(classifier.logits(clips), before)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros((4, 16, 16, 3), np.uint8), r"\(4, 16, 16, 3\)"),
        (np.zeros((9, 32, 32, 3), np.uint8), "1 to 8 frames"),
        (np.zeros((0, 32, 32, 3), np.uint8), "1 to 8 frames"),
        (np.zeros((4, 32, 32, 3), np.float32), "float32"),
    ],
)
def test_crops_of_another_form_are_refused(classifier, clip, message):
    with pytest.raises(IncompatibleFaces, match=message):
        classifier.logits([clip])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_logits(checkpoint_folder, classifier):
    clips = make_clips([8, 5])
    on_gpu = ClipClassifier(load_checkpoint(checkpoint_folder), best_device())

    np.testing.assert_allclose(on_gpu.logits(clips), classifier.logits(clips), atol=1e-2)
