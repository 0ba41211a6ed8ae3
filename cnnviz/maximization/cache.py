"""Rendered images kept outside the outputs, so that an interrupted stage resumes and an extended one renders only what
is new. Deleting the cache costs time, never results.
"""

import ast
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz import device
from cnnviz.errors import InputError
from cnnviz.files import machine, npz, write_bytes
from cnnviz.maximization.ascent.rendered import Rendered
from cnnviz.maximization.chunks import Chunk

ROOT = Path(__file__).parents[1]
# What makes pixels; tests/test_architecture.py holds this against the imports of ascent/renderer.py
CODE = (
    "maximization/ascent",
    "networks/folding.py",
    "networks/graph.py",
    "networks/head",
    "networks/nesting.py",
    "networks/preprocessing.py",
    "networks/series/__init__.py",
    "networks/series/kept.py",  # NOISE
    "objectives.py",
)

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class RenderCache:
    """Files `<folder>/<key>.npz`, one per objective; the key is made of everything that its image depends on."""

    def __init__(self, folder: Path, network: str, answer: Any = None, kind: Sequence[str] | None = None) -> None:
        """network: `fingerprint` of model.json; answer: which of its outputs `logit` means; kind: as `here` gives it,
        of the machine that makes the images; by default this one.
        """
        self.folder = folder
        self.answer = answer
        self.common = [code_digest(), *(kind or here()), network]

    def key(self, chunk: Chunk, i: int) -> str:
        """The key of a chunk's objective i. Raises nothing; two images that may differ have different keys."""
        start = None if chunk.starts is None else _digest(chunk.starts[i])
        natural = None if chunk.natural is None else _digest(chunk.natural)
        own: list[Any] = [str(chunk.objectives[i]), chunk.attempt, start, natural, chunk.scored, chunk.measured]
        own += [self.answer] if any(kind == "logit" for kind, _ in chunk.objectives[i].structure) else []
        parts = [*self.common, *own, dataclasses.asdict(chunk.settings)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def there(self, chunk: Chunk, i: int) -> Path | None:
        """The file of a chunk's objective i, None where there is none."""
        path = self.path(self.key(chunk, i))
        return path if path.is_file() else None

    def load(self, chunk: Chunk, i: int) -> Rendered | None:
        """Return what was rendered before, or None (also for a file that can't be read: it is rendered again)."""
        try:
            return Rendered(**npz.load(self.path(self.key(chunk, i))))
        except (OSError, InputError, TypeError):
            return None

    def store(self, chunk: Chunk, rendered: Rendered) -> None:
        """Keep each objective of a chunk, its variants together, in a file of its own."""
        each = chunk.settings.variants
        for i in range(len(chunk.objectives)):
            part = dict(rendered.part(i * each, (i + 1) * each).items())
            write_bytes(self.path(self.key(chunk, i)), npz.pack(part))


def versions() -> list[str]:
    """Of the packages that compute."""
    return [tf.__version__, keras.__version__, np.__version__]


def here() -> list[str]:
    """What has to agree between two machines, besides the code, so that both make the same bytes: versions of the
    packages that compute, the kind of processor, and of the graphics card, where TensorFlow computes on one.

    The precision is one of the settings; the size of a card's batches follows from these, its memory and the network.
    """
    return [*versions(), machine.kind(), *device.here().parts]


@cache
def code_digest() -> str:
    """SHA-256 of what the code that makes pixels does; comments, docstrings and layout are no part of that."""
    places = [ROOT / name for name in CODE]
    files = [file for place in places for file in (sorted(place.glob("*.py")) if place.is_dir() else [place])]
    return digest_of(file.read_text(encoding="utf-8") for file in files)


def digest_of(sources: Iterable[str]) -> str:
    """SHA-256 of the parsed sources without their docstrings."""
    sha = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        sha.update(ast.unparse(tree).encode() + b"\0")
    return sha.hexdigest()


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
