"""What is written can be read by NumPy, and its bytes follow from the arrays alone."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cnnviz.errors import InputError
from cnnviz.files import npz

ARRAYS = {"a b": np.arange(6, dtype=np.int16).reshape(2, 3), "names": np.array(["x", "ü"]), "file": np.float32(2)}


@pytest.mark.parametrize("compress", [False, True])
def test_numpy_reads_it(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "a.npz"
    npz.write(path, ARRAYS, compress)
    assert path.read_bytes() == npz.pack(ARRAYS, compress)
    for found in (dict(np.load(path, allow_pickle=False)), npz.read(path)):
        assert list(found) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
    assert npz.read(tmp_path / "missing.npz") == {}


def test_headers_that_no_python_writes_differently() -> None:
    """By the ZIP specification (APPNOTE 4.3.7): version 2.0, no flags, stored, 1 January 1980, no extra field."""
    packed = npz.pack({"one": np.zeros(3, np.uint8)})
    version, flags, method, time, date, _, size, whole, name, extra = struct.unpack("<4xHHHHHIIIHH", packed[:30])
    assert (version, flags, method, time, date, extra) == (20, 0, 0, 0, (1 << 5) | 1, 0)
    assert packed[30 : 30 + name] == b"one.npy"
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3, np.uint8))
    assert packed[30 + name :][:whole] == buffer.getvalue()
    assert size == whole == len(buffer.getvalue())
    (member,) = zipfile.ZipFile(io.BytesIO(packed)).infolist()
    assert (member.extract_version, member.create_version, member.extra) == (20, 20, b"")


def test_an_array_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", ARRAYS["a b"])
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        npz.add(archive, "a b", tmp_path / "big.npy")
    assert (tmp_path / "a.npz").read_bytes() == npz.pack({"a b": ARRAYS["a b"]})


def test_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        npz.pack({"one": np.array([{}], object)})


@pytest.mark.pipeline
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.pipeline
def test_a_flipped_bit_is_an_error_or_of_no_consequence(tmp_path: Path, compress: bool) -> None:
    """Whatever zipfile, zlib and NumPy raise: a damaged archive is one kind of error, never other numbers."""
    arrays = {"a": np.arange(6.0), "b": np.array(["x"])}
    whole, path = npz.pack(arrays, compress), tmp_path / "a.npz"
    damaged = set()
    for place in range(len(whole)):
        for bit in (0, 3, 6):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                found = npz.load(path)
            except InputError as error:
                said = str(error)
                assert said.startswith(f"{path}: damaged (")
                damaged.add(place)
                continue
            for name in set(found) & set(arrays):  # the name of an array may be another
                np.testing.assert_array_equal(found[name], arrays[name])
    assert len(damaged) > len(whole) / 3


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_what_is_no_archive_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: damaged \(.+\); remove it, then: make repro"):
        npz.read(tmp_path / "a.npz")
