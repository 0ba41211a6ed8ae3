"""The render cache's key: what an image depends on, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from cnnviz.errors import InputError
from cnnviz.files import machine, npz
from cnnviz.maximization import cache
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.maximization.chunks import Chunk
from cnnviz.objectives import channel

SOURCE = '''"""A module."""

SCALE = 2  # of everything


class Box:
    """Only a docstring."""


def double(x):
    """Twice x."""
    return SCALE * x
'''


def key(folder: Path = Path()) -> str:
    return cache.RenderCache(folder, "network").key(Chunk("", (channel("conv", 0),), Settings()), 0)


@pytest.mark.parametrize(
    "edited",
    [
        SOURCE.replace("  # of everything", ""),
        SOURCE.replace("Twice x.", "Two times x."),
        SOURCE.replace('    """Twice x."""\n', ""),
        SOURCE.replace('"""Only a docstring."""', "pass"),
        SOURCE.replace("SCALE * x", "(\n        SCALE * x\n    )"),
    ],
)
def test_comments_docstrings_and_layout_are_no_part_of_the_code(edited: str) -> None:
    assert edited != SOURCE
    assert cache.digest_of([edited]) == cache.digest_of([SOURCE])


@pytest.mark.parametrize(
    "edited", [SOURCE.replace("SCALE = 2", "SCALE = 3"), SOURCE.replace("SCALE * x", "x * SCALE"), SOURCE + "\nx = 1\n"]
)
def test_what_the_code_does_is(edited: str) -> None:
    assert cache.digest_of([edited]) != cache.digest_of([SOURCE])


def test_where_one_file_ends_counts() -> None:
    assert cache.digest_of(["a = 1", "b = 2"]) != cache.digest_of(["a = 1\nb = 2"])


@pytest.mark.parametrize(("offset", "value"), [(8, 0x01), (10, 0x63), (-4, 0xFF), (60, 0xFF)])
def test_a_damaged_file_is_rendered_again(tmp_path: Path, offset: int, value: int) -> None:
    """Its central directory says encrypted, an unknown compression, another place; or a byte is not as it was."""
    kept, chunk = cache.RenderCache(tmp_path, "network"), Chunk("", (channel("conv", 0),), Settings())
    path = kept.path(kept.key(chunk, 0))
    path.parent.mkdir()
    content = bytearray(npz.pack({"images": np.zeros((1, 4, 4, 3), "uint8")}))
    at = content.index(b"PK\x01\x02") + offset if 0 <= offset < 60 else offset
    content[at] ^= value
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        npz.load(path)
    assert kept.load(chunk, 0) is None


def test_another_processor_or_package_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    here = key()
    assert key() == here
    monkeypatch.setattr(machine, "kind", lambda: "AuthenticAMD family 25 model 17 stepping 1: avx")
    assert key() != here
    monkeypatch.undo()
    for package in ("tf", "keras", "np"):
        monkeypatch.setattr(getattr(cache, package), "__version__", "0.0")
        assert key() != here
        monkeypatch.undo()
    assert key() == here
