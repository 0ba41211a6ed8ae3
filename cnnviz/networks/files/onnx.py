"""Read the initializers (weights) of an ONNX file without the onnx package.

An ONNX file is a protobuf message; only the few fields on the way to the initializers are read. Field numbers are those
of onnx.proto: ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto.dims = 1, data_type = 2, name = 8,
raw_data = 9.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

FLOAT = 1  # TensorProto.DataType


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield (field number, value) of one message: int for varints, memoryview for everything with a length."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("the ONNX file is cut off")
            yield number, data[at : at + size]
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"not an ONNX file: wire type {kind}")


def _dims(values: list[Any]) -> list[int]:
    dims: list[int] = []
    for value in values:  # repeated int64: one varint each, or packed
        if isinstance(value, int):
            dims.append(value)
            continue
        at = 0
        while at < len(value):
            dim, at = _varint(value, at)
            dims.append(dim)
    return dims


def tensors(data: bytes) -> dict[str, np.ndarray]:
    """Return the float32 initializers of an ONNX model by name, in ONNX's layout (conv kernels: out, in, kh, kw).

    Raises ValueError if the bytes are no ONNX model or are cut off.
    """
    found = {}
    for number, graph in _fields(memoryview(data)):
        if number != 7:
            continue
        for inner, tensor in _fields(graph):
            if inner != 5:
                continue
            parts: dict[int, list[Any]] = {}
            for key, value in _fields(tensor):
                parts.setdefault(key, []).append(value)
            if parts.get(2) == [FLOAT] and 9 in parts:
                name = bytes(parts[8][0]).decode()
                found[name] = np.frombuffer(parts[9][0], "<f4").reshape(_dims(parts.get(1, [])))
    return found
