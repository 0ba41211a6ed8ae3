"""Lambda layers that only scale: what they do is read off their bytecode, which is never run.

`x / 255`, `x / 127.5 - 1`, `(x - 127.5) / 127.5`, `2 * x - 1` … of one argument and numbers, as Python 3.6 to 3.13
compile them, are a factor and an offset. Anything else is refused.
"""

import binascii
import codecs
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnviz.networks.files import marshalled
from cnnviz.networks.files.mending import Unreadable, layers_of

OPERATORS = {0: "+", 5: "*", 10: "-", 11: "/"}  # arguments of the one opcode for operators, from Python 3.11 on


class Opcodes(NamedTuple):
    """Of one Python: numbers of the operations that scaling needs."""

    argument: int
    constant: int
    result: int
    binary: int | None
    idle: frozenset[int]
    layout: str


OLD = {20: "*", 23: "+", 24: "-", 27: "/"}  # one opcode for each operator, up to Python 3.10
PYTHONS = [
    Opcodes(124, 100, 83, 122, frozenset({0, 151}), "3.11"),  # and 3.12
    Opcodes(85, 83, 36, 45, frozenset({0, 149}), "3.11"),  # 3.13
    Opcodes(124, 100, 83, None, frozenset({9}), "3.8"),
    Opcodes(124, 100, 83, None, frozenset({9}), "3.6"),
]


class Scaling(NamedTuple):
    """value * factor + offset."""

    factor: float
    offset: float


def scaling(function: Any) -> Scaling | None:
    """What a Lambda's function as a file has it does; None where it isn't known to scale only."""
    data = _bytecode(function)
    for python in PYTHONS if data else ():
        try:
            found = _meaning(marshalled.read(data, python.layout), python)
        except (ValueError, ZeroDivisionError, OverflowError, RecursionError):
            continue
        if found and all(map(math.isfinite, found)) and found.factor:
            return found
    return None


def replace(config: dict[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Put Rescaling in the place of Lambda layers that only scale, in the configuration, and say so.

    own: the user's functions by name, which a Lambda may call by theirs. Raises Unreadable for all others.
    """
    notes = []
    for layer in layers_of(config):
        if layer["class_name"] != "Lambda":
            continue
        inner = layer["config"]
        function = inner.get("function")
        if (label := function.get("config") if isinstance(function, dict) else function) in [*own]:
            for key in ("function_type", "module", "output_shape_type", "output_shape_module"):
                inner.pop(key, None)
            inner["function"] = label
            continue
        found = scaling(function)
        if found is None or any(inner.get("arguments") or ()):
            raise Unreadable(
                f"its layer {inner['name']!r} is a Lambda, which carries code: it is never run. Remove it from the "
                "network and say what it does to the images as `preprocessing:`, or put a layer of Keras in its place"
            )
        kept = {key: inner[key] for key in ("name", "trainable", "dtype") if key in inner}
        layer["class_name"] = "Rescaling"
        layer["config"] = {**kept, "scale": found.factor, "offset": found.offset}
        if "module" in layer:
            layer.update(module="keras.layers", registered_name=None)
        for node in layer.get("inbound_nodes") or ():
            if isinstance(node, dict):  # what Keras 3 hands to every Lambda, and no Rescaling takes
                node["kwargs"] = {key: value for key, value in (node.get("kwargs") or {}).items() if key != "mask"}
        notes.append(
            f"the Lambda {inner['name']} only computes x * {found.factor:.6g} + {found.offset:.6g}: "
            "a Rescaling layer stands in its place"
        )
    return notes


def _bytecode(function: Any) -> bytes:
    """The marshalled code, as Keras 2 (a list) or Keras 3 (a mapping) wrote it: base64, before that escaped text."""
    if isinstance(function, dict) and function.get("class_name") == "__lambda__":
        inner = function.get("config")
        if not isinstance(inner, dict):
            return b""
        code, rest = inner.get("code"), [inner.get("defaults"), inner.get("closure")]
    elif isinstance(function, list) and function:
        code, rest = function[0], function[1:]
    else:
        return b""
    if not isinstance(code, str) or any(rest) or len(code) > 2 * marshalled.LARGEST:
        return b""
    try:
        return codecs.decode(code.encode("ascii"), "base64")
    except (UnicodeEncodeError, binascii.Error):
        return b""


def _meaning(code: marshalled.Code, python: Opcodes) -> Scaling | None:
    """Follow the bytecode with a factor and an offset in the place of numbers; None where it does something else."""
    if code.arguments != 1:
        return None
    stack: list[Scaling | float] = []
    for at in range(0, len(code.bytecode) - 1, 2):
        opcode, argument = code.bytecode[at], code.bytecode[at + 1]
        if opcode in python.idle:
            continue
        if opcode == python.argument and argument == 0:
            stack.append(Scaling(1.0, 0.0))
        elif opcode == python.constant and argument < len(code.constants):
            number = code.constants[argument]
            if isinstance(number, bool) or not isinstance(number, int | float):
                return None
            stack.append(float(number))
        elif opcode == python.result:
            result = stack.pop() if len(stack) == 1 else None
            return result if isinstance(result, Scaling) else None
        else:
            operator = OLD.get(opcode) if python.binary is None else None
            if opcode == python.binary:
                operator = OPERATORS.get(argument)
            if operator is None or len(stack) < 2:
                return None
            right, left = stack.pop(), stack.pop()
            combined = _combined(left, right, operator)
            if combined is None:
                return None
            stack.append(combined)
    return None


def _combined(left: Scaling | float, right: Scaling | float, operator: str) -> Scaling | float | None:
    if isinstance(left, Scaling) and isinstance(right, Scaling):
        return None
    if isinstance(left, Scaling) and not isinstance(right, Scaling):
        by = {
            "+": Scaling(left.factor, left.offset + right),
            "-": Scaling(left.factor, left.offset - right),
            "*": Scaling(left.factor * right, left.offset * right),
        }
        return by[operator] if operator in by else Scaling(left.factor / right, left.offset / right)
    if isinstance(right, Scaling) and not isinstance(left, Scaling):
        by = {
            "+": Scaling(right.factor, left + right.offset),
            "-": Scaling(-right.factor, left - right.offset),
            "*": Scaling(left * right.factor, left * right.offset),
        }
        return by.get(operator)
    return None
