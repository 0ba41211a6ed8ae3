"""Read the code of a function as Python's marshal wrote it, as plain values: nothing of it is made a function or run.

`marshal.loads` must not see what strangers send: it may crash. Only what a short function of numbers needs is read.
"""

import struct
from typing import Any, NamedTuple

LARGEST, DEEPEST = 20_000, 20  # bytes of code, nesting
REFERENCE = 0x80  # a flag of a value's type: it is referred to later
SINGLE = {ord("N"): None, ord("T"): True, ord("F"): False, ord("."): Ellipsis}
# What stands in front of, and behind, a code object's bytecode: the layouts of Python 3.11 and later, 3.8 to 3.10, 3.6
LAYOUTS = {"3.11": (5, 2), "3.8": (6, 1), "3.6": (5, 1)}


class Code(NamedTuple):
    """A function's code: how many arguments, names of its locals and of what lies around it."""

    arguments: int
    bytecode: bytes
    constants: tuple[Any, ...]
    names: tuple[Any, ...]


def read(data: bytes, layout: str) -> Code:
    """The code of one function. Raises ValueError where it is none of that layout, or holds what numbers don't need."""
    if len(data) > LARGEST:
        raise ValueError("too long")
    reader = _Reader(data, layout)
    code = reader.value(0)
    if not isinstance(code, Code) or reader.at != len(data):
        raise ValueError("no function's code")
    return code


class _Reader:
    def __init__(self, data: bytes, layout: str) -> None:
        self.data, self.layout, self.at = data, layout, 0
        self.known: list[Any] = []  # values that are referred to

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("cut off")
        self.at += count
        return self.data[self.at - count : self.at]

    def whole(self) -> int:
        return int(struct.unpack("<i", self.take(4))[0])

    def value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("nested too deep")
        kind = self.take(1)[0]
        place = None
        if kind & REFERENCE:
            place = len(self.known)
            self.known.append(None)
        found = self.plain(kind & ~REFERENCE, depth)
        if place is not None:
            self.known[place] = found
        return found

    def plain(self, kind: int, depth: int) -> Any:
        if kind in SINGLE:
            return SINGLE[kind]
        if kind == ord("i"):
            return self.whole()
        if kind == ord("g"):
            return float(struct.unpack("<d", self.take(8))[0])
        if kind in b"sut":
            return self.take(self.whole())
        if kind in b"aA":
            return self.take(self.whole())
        if kind in b"zZ":
            return self.take(self.take(1)[0])
        if kind == ord(")"):
            return tuple(self.value(depth + 1) for _ in range(self.take(1)[0]))
        if kind == ord("("):
            count = self.whole()
            if not 0 <= count <= len(self.data):
                raise ValueError("cut off")
            return tuple(self.value(depth + 1) for _ in range(count))
        if kind == ord("r"):
            place = self.whole()
            if not 0 <= place < len(self.known):
                raise ValueError("refers to nothing")
            return self.known[place]
        if kind == ord("c"):
            return self.code(depth)
        raise ValueError(f"holds a value of type {chr(kind)!r}")

    def code(self, depth: int) -> Code:
        before, after = LAYOUTS[self.layout]
        numbers = [self.whole() for _ in range(before)]
        bytecode, constants, names, *_ = (self.value(depth + 1) for _ in range(3))
        free: list[Any] = []
        if self.layout == "3.11":  # names and kinds of all locals, file, name, qualified name; line; two tables
            _, kinds, *_ = [self.value(depth + 1) for _ in range(5)]
            free = [kind for kind in kinds if kind & 0x80] if isinstance(kinds, bytes) else [kinds]
        else:  # names of locals, of free and of cell variables, file, name; line; table
            _, outer, inner, *_ = [self.value(depth + 1) for _ in range(5)]
            free = [outer, inner] if outer or inner else []
        self.whole()
        for _ in range(after):
            self.value(depth + 1)
        if not isinstance(bytecode, bytes) or not isinstance(constants, tuple) or not isinstance(names, tuple) or free:
            raise ValueError("no plain function's code")
        if any(numbers[1:3] if self.layout != "3.6" else numbers[1:2]):
            raise ValueError("it takes arguments by keyword")
        return Code(numbers[0], bytecode, constants, names)
