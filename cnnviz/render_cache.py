"""Rendered filters kept outside the outputs, so that an interrupted stage resumes and an extended one renders only what
is new. Deleting the cache costs time, never results.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from cnnviz import graph, maximize, models, objectives, parameterization, transforms
from cnnviz.maximize import Rendered, Settings
from cnnviz.stage import write_bytes

_CODE = (graph, maximize, models, objectives, parameterization, transforms)


class RenderCache:
    """Files `<folder>/<key>.npz`, one per filter; the key is made of everything that the image depends on."""

    def __init__(self, folder: Path, model_digest: str, preprocessing: object) -> None:
        code = hashlib.sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in _CODE)).hexdigest()
        self.folder = folder
        self.common = [code, tf.__version__, np.__version__, model_digest, preprocessing]

    def _path(self, layer: str, filter_index: int, settings: Settings) -> Path:
        parts = [*self.common, layer, filter_index, dataclasses.asdict(settings)]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npz"

    def load(self, layer: str, filter_index: int, settings: Settings) -> Rendered | None:
        """Return a filter rendered before, or None (also for a file that can't be read: it is rendered again)."""
        try:
            data = io.BytesIO(self._path(layer, filter_index, settings).read_bytes())
            with np.load(data, allow_pickle=False) as file:
                return Rendered(**{name: file[name] for name in file.files})
        except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):
            return None

    def store(self, layer: str, settings: Settings, rendered: Rendered) -> None:
        """Keep each filter of a chunk in a file of its own."""
        for i, index in enumerate(rendered.filters):
            one = {
                f.name: getattr(rendered, f.name)
                if f.name == "snapshot_steps"
                else getattr(rendered, f.name)[i : i + 1]
                for f in dataclasses.fields(rendered)
            }
            buffer = io.BytesIO()
            np.savez(buffer, **one)
            write_bytes(self._path(layer, int(index), settings), buffer.getvalue())


def join(parts: list[Rendered]) -> Rendered:
    """Put filters of one layer, rendered with the same settings, behind one another."""
    return Rendered(
        **{
            f.name: parts[0].snapshot_steps
            if f.name == "snapshot_steps"
            else np.concatenate([getattr(part, f.name) for part in parts])
            for f in dataclasses.fields(Rendered)
        }
    )
