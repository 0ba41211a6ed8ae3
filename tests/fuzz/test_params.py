"""Whatever stands in params.yaml: it is read, or refused in lines that say where."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cnnviz import config
from cnnviz.errors import InputError
from cnnviz.filters import fixed
from tests.plain_yaml import dump

pytestmark = pytest.mark.pipeline

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")
GOOD = yaml.safe_load(TEXT)
# What YAML, Python, NumPy or a file system read otherwise than people do
WORDS = """
010 -010 1:30 12:30:45.2 0o10 0x1F 1_000 089 1e5 1e-5 1e400 -1e400 1e308 1e-320 .5 -.5 .inf -.inf .nan yes no on off ~
2001-01-01 2001-13-45 2001-01-01T00:00:00Z = << - ? ! & * ' " % @ ` [ { ] } , # | > 4294967296 9223372036854775808 -1
1000000000 !!int !!float !!bool !!null !!binary !!timestamp !!set !!python/name:os.system *a &a {} [] [[]] {a:{}} ''
"\\0" "\\n" "\\u2028" "\\ud800" ../../x /etc/passwd CON index compare vgg16 VGG16 a--b
"""
SPACED = ("!!int x", '!!float ""', "!!bool x", "a: b", "[a, a]", "&a [*a]", "\t")
ODD = (*WORDS.split(), *SPACED, "1" * 5000, "[" * 300, "x" * 5000)
HUGE = (10**9, 2**31, 2**32, 10**400, 1e-320, 1e308, "x" * 5000, "1e400 * channel(conv2d, 1)", "-" * 500 + "logit(1)")
PLAIN: Any = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(HUGE)
KEYS: Any = st.text(max_size=5) | st.integers()
VALUES: Any = st.recursive(PLAIN, lambda of: st.lists(of, max_size=4) | st.dictionaries(KEYS, of, max_size=4))


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


PLACES = places(GOOD)[1:]
LINES = TEXT.splitlines(keepends=True)


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a place."""
    if not path:
        return value
    key, *rest = path
    inner = changed(data[key], tuple(rest), value)
    return [*data[:key], inner, *data[key + 1 :]] if isinstance(data, list) else {**data, key: inner}


def check(file: Path) -> None:
    try:
        params = config.load(file)
    except InputError as error:
        for line in str(error).splitlines():
            assert line.startswith(str(file)), line
            assert line.isprintable(), line
            assert len(line) < len(str(file)) + 600, len(line)
        return
    for one in params.fixed_filters.gabor.values():  # what is read can be computed with
        assert np.isfinite(fixed.gabor(one.size, one.wavelength, one.orientation, one.sigma)).all()
    for rows in params.fixed_filters.kernels.values():
        assert np.isfinite(np.array(rows, np.float32)).all()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


@given(places=st.lists(st.sampled_from(PLACES), min_size=1, max_size=3), value=VALUES)
def test_any_value_at_any_place(file: Path, places: list[tuple[Any, ...]], value: Any) -> None:
    data = GOOD
    for place in places:
        try:
            data = changed(data, place, value)
        except (KeyError, TypeError, IndexError):  # an earlier one changed what is around it
            continue
    file.write_text(dump(data), encoding="utf-8", errors="surrogatepass")
    check(file)


@given(place=st.sampled_from(PLACES), key=PLAIN, value=VALUES)
def test_any_key_anywhere(file: Path, place: tuple[Any, ...], key: Any, value: Any) -> None:
    inside = GOOD
    for part in place:
        inside = inside[part]
    if isinstance(inside, dict):
        file.write_text(dump(changed(GOOD, place, {**inside, key: value})), encoding="utf-8", errors="surrogatepass")
        check(file)


@given(data=st.data(), odd=st.sampled_from(ODD))
def test_odd_text_at_any_place(file: Path, data: st.DataObject, odd: str) -> None:
    number = data.draw(st.sampled_from([i for i, line in enumerate(LINES) if ":" in line.partition("#")[0]]))
    head, colon, _ = LINES[number].partition("#")[0].rpartition(":")
    line = data.draw(st.sampled_from([f"{head}: {odd}\n", f"{head}: [{odd}]\n", f"{odd}\n", f"{odd}{colon} {odd}\n"]))
    file.write_text("".join([*LINES[:number], line, *LINES[number + 1 :]]), encoding="utf-8")
    check(file)


@given(start=st.integers(0, len(TEXT)), length=st.integers(0, 60), put=st.binary(max_size=12))
def test_any_bytes_anywhere(file: Path, start: int, length: int, put: bytes) -> None:
    raw = TEXT.encode()
    file.write_bytes(raw[:start] + put + raw[start + length :])
    check(file)
