"""An ONNX file with the inputs and outputs of YuNet that takes bright spots for faces.

OpenCV's detector runs it like the real model, which is not in any package. The few messages of the
ONNX format (https://onnx.ai/onnx/repo-docs/IR.html) are written by hand here.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
# Every face is a box of this size, centred on the spot: the layer of stride 16 reports it.
WIDTH, HEIGHT = 64, 80
_REPORTING = 16
_FLOAT, _INT64 = 1, 7
_INTS_ATTRIBUTE = 7

Field = int | str | bytes | Sequence["bytes | int | str"]


def toy_yunet(*, with_points: bool = True) -> bytes:
    """The content of the file; without the facial points it is not a YuNet any more."""
    nodes: list[bytes] = []
    weights: list[bytes] = []
    outputs: list[bytes] = []
    for kind, channels in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
        if kind == "kps" and not with_points:
            continue
        for stride in STRIDES:
            name = f"{kind}_{stride}"
            kernel = np.zeros((channels, 3, stride, stride), np.float32)
            bias = np.zeros(channels, np.float32)
            if stride == _REPORTING and channels == 1:
                kernel[:] = 1 / (3 * stride * stride * 255)
            if kind == "bbox":
                bias[:] = 0.5, 0.5, math.log(WIDTH / stride), math.log(HEIGHT / stride)
            weights += [
                _tensor(f"{name}_w", kernel),
                _tensor(f"{name}_b", bias),
                _tensor(f"{name}_s", np.array([1, -1, channels], np.int64)),
            ]
            sides = [stride, stride]
            nodes += [
                _node("Conv", ["input", f"{name}_w", f"{name}_b"], f"{name}_c", strides=sides),
                _node("Transpose", [f"{name}_c"], f"{name}_t", perm=[0, 2, 3, 1]),
                _node("Reshape", [f"{name}_t", f"{name}_s"], name),
            ]
            outputs.append(_value(name, [1, (320 // stride) ** 2, channels]))
    graph = _message(
        {1: nodes, 2: "toy", 5: weights, 11: [_value("input", [1, 3, 320, 320])], 12: outputs}
    )
    return _message({1: 7, 7: graph, 8: _message({2: 13})})


def _node(operation: str, inputs: Sequence[str], output: str, **attributes: Sequence[int]) -> bytes:
    listed = [
        _message({1: name, 8: values, 20: _INTS_ATTRIBUTE}) for name, values in attributes.items()
    ]
    return _message({1: inputs, 2: output, 3: output, 4: operation, 5: listed})


def _tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    kind = _FLOAT if values.dtype == np.float32 else _INT64
    return _message({1: values.shape, 2: kind, 8: name, 9: values.tobytes()})


def _value(name: str, shape: Sequence[int]) -> bytes:
    dimensions = _message({1: [_message({1: length}) for length in shape]})
    return _message({1: name, 2: _message({1: _message({1: _FLOAT, 2: dimensions})})})


def _message(fields: dict[int, Field]) -> bytes:
    """A protocol buffers message: numbers of fields and their values, lists for repeated ones."""
    encoded = b""
    for number, values in fields.items():
        repeated = [values] if isinstance(values, int | str | bytes) else values
        for value in repeated:
            if isinstance(value, int):
                encoded += _varint(number << 3) + _varint(value)
            else:
                content = value.encode() if isinstance(value, str) else value
                encoded += _varint(number << 3 | 2) + _varint(len(content)) + content
    return encoded


def _varint(value: int) -> bytes:
    rest = value % (1 << 64)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])
