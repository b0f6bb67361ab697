import hashlib
import json

import pytest
import safetensors.torch
import torch

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.architecture import Architecture
from unmask_shared.model.checkpoint import CARD_FILE, WEIGHTS_FILE, load_checkpoint, save_checkpoint


def edit_card(folder, **changes):
    path = folder / CARD_FILE
    card = json.loads(path.read_text())
    card.update(changes)
    path.write_text(json.dumps(card))


def replace_weights(folder, change):
    """Change the tensors and make the card's hash fit, as a careless tool would."""
    tensors = safetensors.torch.load((folder / WEIGHTS_FILE).read_bytes())
    change(tensors)
    data = safetensors.torch.save(tensors)
    (folder / WEIGHTS_FILE).write_bytes(data)
    edit_card(folder, weights_sha256=hashlib.sha256(data).hexdigest())


@torch.inference_mode()
def test_a_saved_model_gives_the_same_logits(checkpoint_folder, small_model):
    clips = torch.randn(2, 4, 3, 32, 32)

    loaded = load_checkpoint(checkpoint_folder)

    assert torch.equal(loaded.model(clips), small_model(clips))
    assert not loaded.model.training


def test_the_card_comes_back_as_it_was(checkpoint_folder, draft):
    card = load_checkpoint(checkpoint_folder).card

    assert card.model_dump(exclude={"weights_sha256"}) == draft.model_dump()


def test_a_card_from_before_later_fields_reads_as_it_was_meant(checkpoint_folder):
    path = checkpoint_folder / CARD_FILE
    card = json.loads(path.read_text())
    del card["face_mode"], card["short_clips"], card["architecture"]["movement"]
    path.write_text(json.dumps(card))

    loaded = load_checkpoint(checkpoint_folder).card

    assert (loaded.face_mode, loaded.short_clips) == ("faces", "mask")
    assert not loaded.architecture.movement


@torch.inference_mode()
def test_half_precision_is_stored_small_and_loaded_as_float32(tmp_path, small_model, draft):
    half = draft.model_copy(update={"dtype": "float16"})
    save_checkpoint(tmp_path, model=small_model, draft=half)
    clips = torch.randn(2, 4, 3, 32, 32)

    loaded = load_checkpoint(tmp_path)

    assert (tmp_path / WEIGHTS_FILE).stat().st_size < 25e6
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.model(clips), small_model(clips), atol=5e-3, rtol=0)


def test_no_temporary_file_is_left(checkpoint_folder):
    assert {path.name for path in checkpoint_folder.iterdir()} == {WEIGHTS_FILE, CARD_FILE}


def test_saving_needs_the_architecture_of_the_card(tmp_path, small_model, draft):
    other = draft.model_copy(update={"architecture": Architecture(lstm_hidden=9)})

    with pytest.raises(ValueError, match="lstm_hidden=9"):
        save_checkpoint(tmp_path, model=small_model, draft=other)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CARD_FILE])
def test_a_missing_file_is_named(checkpoint_folder, name):
    (checkpoint_folder / name).unlink()

    with pytest.raises(InvalidCheckpoint, match=name):
        load_checkpoint(checkpoint_folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InvalidCheckpoint, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("position", [0, 5000, -1])
def test_one_changed_byte_in_the_weights_is_found(checkpoint_folder, position):
    path = checkpoint_folder / WEIGHTS_FILE
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)

    with pytest.raises(InvalidCheckpoint, match="SHA-256"):
        load_checkpoint(checkpoint_folder)


def test_weights_of_another_card_are_refused(checkpoint_folder):
    edit_card(checkpoint_folder, weights_sha256="0" * 64)

    with pytest.raises(InvalidCheckpoint, match="0000"):
        load_checkpoint(checkpoint_folder)


def test_a_file_that_is_no_safetensors_is_refused(checkpoint_folder):
    (checkpoint_folder / WEIGHTS_FILE).write_bytes(b"\x80\x04pickle")
    edit_card(checkpoint_folder, weights_sha256=hashlib.sha256(b"\x80\x04pickle").hexdigest())

    with pytest.raises(InvalidCheckpoint, match="safetensors"):
        load_checkpoint(checkpoint_folder)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"surprise": 1}, "surprise"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": "NaN"}, "temperature"),
        ({"labels": {"real": 1, "fake": 0}}, "labels"),
        ({"thresholds": {"real_below": 0.9, "fake_above": 0.1}}, "thresholds"),
        ({"architecture": {"trunk": "resnet18", "layers": 3}}, "architecture"),
        ({"schema_version": 2}, "schema_version"),
        ({"clip_length": 1}, "clip_length"),
        ({"short_clips": "stretch"}, "short_clips"),
        ({"face_mode": "profile"}, "face_mode"),
        ({"created_at": "2026-01-01T00:00:00"}, "created_at"),
    ],
)
def test_a_card_that_says_something_impossible_is_refused(checkpoint_folder, changes, field):
    edit_card(checkpoint_folder, **changes)

    with pytest.raises(InvalidCheckpoint, match=field):
        load_checkpoint(checkpoint_folder)


def test_a_card_that_is_no_json_is_refused(checkpoint_folder):
    (checkpoint_folder / CARD_FILE).write_text("{")

    with pytest.raises(InvalidCheckpoint, match="JSON"):
        load_checkpoint(checkpoint_folder)


def test_a_missing_tensor_is_named(checkpoint_folder):
    replace_weights(checkpoint_folder, lambda tensors: tensors.pop("head.bias"))

    with pytest.raises(InvalidCheckpoint, match=r"missing \['head.bias'\]"):
        load_checkpoint(checkpoint_folder)


def test_an_unknown_tensor_is_named(checkpoint_folder):
    replace_weights(checkpoint_folder, lambda tensors: tensors.update(extra=torch.zeros(1)))

    with pytest.raises(InvalidCheckpoint, match=r"unknown \['extra'\]"):
        load_checkpoint(checkpoint_folder)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(3), r"head.bias is torch.float32 of shape \(3,\)"),
        (torch.zeros(2, dtype=torch.float64), "torch.float64"),
        (torch.tensor([0.0, torch.nan]), "not finite"),
    ],
)
def test_a_tensor_of_another_shape_type_or_value_is_refused(checkpoint_folder, tensor, message):
    replace_weights(checkpoint_folder, lambda tensors: tensors.update({"head.bias": tensor}))

    with pytest.raises(InvalidCheckpoint, match=message):
        load_checkpoint(checkpoint_folder)


def test_an_architecture_that_does_not_fit_the_weights_is_refused(checkpoint_folder):
    edit_card(checkpoint_folder, architecture={"trunk": "resnet18", "lstm_hidden": 9})

    with pytest.raises(InvalidCheckpoint, match="the card asks for"):
        load_checkpoint(checkpoint_folder)
