"""Rendered images kept outside the outputs, so that an interrupted stage resumes and an extended one renders only what
is new. Deleting the cache costs time, never results.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cnnviz import (
    channel_maps,
    evaluation,
    graph,
    models,
    npz,
    objectives,
    parameterization,
    renderer,
    scores,
    transforms,
    trunk,
)
from cnnviz import settings as settings_module
from cnnviz.chunks import Chunk
from cnnviz.renderer import Rendered
from cnnviz.stage import write_bytes

_CODE = (channel_maps, evaluation, graph, models, objectives, parameterization, renderer, scores, settings_module,
         transforms, trunk)  # fmt: skip


class RenderCache:
    """Files `<folder>/<key>.npz`, one per objective; the key is made of everything that its image depends on."""

    def __init__(self, folder: Path, model_digest: str, preprocessing: object) -> None:
        code = hashlib.sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in _CODE)).hexdigest()
        self.folder = folder
        self.common = [code, tf.__version__, np.__version__, model_digest, preprocessing]

    def key(self, chunk: Chunk, i: int) -> str:
        """The key of a chunk's objective i. Raises nothing; two images that may differ have different keys."""
        start = None if chunk.starts is None else _digest(chunk.starts[i])
        natural = None if chunk.natural is None else _digest(chunk.natural)
        own: list[Any] = [str(chunk.objectives[i]), chunk.attempt, start, natural, chunk.scored]
        parts = [*self.common, *own, dataclasses.asdict(chunk.settings)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def load(self, chunk: Chunk, i: int) -> Rendered | None:
        """Return what was rendered before, or None (also for a file that can't be read: it is rendered again)."""
        try:
            data = io.BytesIO(self._path(self.key(chunk, i)).read_bytes())
            with np.load(data, allow_pickle=False) as file:
                return Rendered(**{name: file[name] for name in file.files})
        except (OSError, ValueError, EOFError, TypeError, KeyError, zipfile.BadZipFile):
            return None

    def store(self, chunk: Chunk, rendered: Rendered) -> None:
        """Keep each objective of a chunk, its variants together, in a file of its own."""
        each = chunk.settings.variants
        for i in range(len(chunk.objectives)):
            part = dict(rendered.part(i * each, (i + 1) * each).items())
            write_bytes(self._path(self.key(chunk, i)), npz.pack(part))


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
