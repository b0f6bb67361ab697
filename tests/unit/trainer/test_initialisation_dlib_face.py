import struct

import dlib
import numpy as np
import pytest
import torch
from media_factory import admiral, astronaut

from unmask_shared.model.transforms import CropTransform
from unmask_trainer.initialisation.batch_norms import settle_batch_norms
from unmask_trainer.initialisation.dlib_face import convert_dlib_face, dlib_face_file
from unmask_trainer.initialisation.dlib_file import read_layers
from unmask_trainer.initialisation.errors import UnusableWeights


@pytest.fixture(scope="module")
def data():
    return dlib_face_file().read_bytes()


@pytest.fixture
def network(data):
    return convert_dlib_face(data)


def chips():
    """Squares of 150 px: two faces, and a corner without any."""
    woman, man = astronaut().pixels, admiral().pixels
    return np.stack([woman[0:300:2, 130:430:2], man[60:210, 150:300], woman[-150:, -150:]])


def describe(network, crops):
    with torch.no_grad():
        return (network.trunk(crops) @ network.projection.T).numpy()


def number(value):
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


def record(name, values, between=b""):
    floats = struct.pack(f"<{len(values)}f", *values)
    shape = b"".join(map(number, (2, len(values), 1, 1, 1)))
    return number(len(name)) + name + between + shape + floats


def test_the_converted_network_describes_faces_as_dlib_does(network):
    recogniser = dlib.face_recognition_model_v1(str(dlib_face_file()))
    expected = np.array([recogniser.compute_face_descriptor(chip) for chip in chips()])

    described = describe(network, CropTransform()(chips()))

    assert np.abs(described - expected).max() < 1e-5
    assert np.linalg.norm(expected[0] - expected[1]) > 0.3  # both are different people


def test_settled_batch_norms_change_nothing_but_let_training_begin_there(data, network):
    crops = CropTransform()(chips()).repeat(4, 1, 1, 1)
    crops[3:] += 0.2 * torch.randn(crops[3:].shape, generator=torch.Generator().manual_seed(0))
    before = describe(network, crops)

    settle_batch_norms(network.trunk, [crops[:5], crops[5:]])

    assert np.abs(describe(network, crops) - before).max() < 1e-5
    network.trunk.train()
    assert np.abs(describe(network, crops) - before).max() < 1e-3
    unsettled = convert_dlib_face(data)
    unsettled.trunk.train()
    assert np.abs(describe(unsettled, crops) - before).max() > 0.1


def test_batch_norms_cannot_be_settled_without_pictures(network):
    with pytest.raises(ValueError, match="at least one batch"):
        settle_batch_norms(network.trunk, [])


def test_layers_come_in_the_order_of_the_file_with_their_values():
    file = (
        b"\x01\x01"
        + record(b"con_4", [1.5, -2.0])
        + record(b"affine_", [0.25])
        + b"relu"
        + record(b"fc_2", [3.0], between=number(300) + number(7))
    )

    layers = [(layer.kind, layer.parameters.tolist()) for layer in read_layers(file)]

    assert layers == [
        ("convolution", [1.5, -2.0]),
        ("affine", [0.25]),
        ("fully_connected", [3.0]),
    ]


def test_values_that_spell_a_name_are_values():
    spelt = struct.unpack("<2f", b"\x01\x05con_4x")

    layers = list(read_layers(record(b"con_4", [*spelt, 1.0]) + record(b"affine_", [2.0])))

    assert [layer.kind for layer in layers] == ["convolution", "affine"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (record(b"con_4", [1.0, 2.0])[:-3], "breaks off at byte"),
        (number(5) + b"con_4" + b"\x0f", "0x0f, which begins no number"),
        (number(5) + b"con_4" + b"".join(map(number, (9, 1, 1, 1, 1))), "version 9"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(file, message):
    with pytest.raises(UnusableWeights, match=message):
        list(read_layers(file))


def test_a_file_of_another_network_is_refused():
    detector = dlib_face_file().with_name("mmod_human_face_detector.dat")

    with pytest.raises(UnusableWeights, match=r"dlib's face recogniser has 59"):
        convert_dlib_face(detector.read_bytes())


def test_layers_of_other_sizes_are_refused(data):
    before_the_last = data[: data.rindex(number(4) + b"fc_2")]

    with pytest.raises(UnusableWeights, match="a layer of the file has 2 parameters where"):
        convert_dlib_face(before_the_last + record(b"fc_2", [1.0, 2.0], number(2) + number(1)))
