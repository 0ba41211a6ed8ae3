"""Whatever is in a checkpoint of a watched training: it is read, or refused in one line that names the file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnviz.errors import InputError
from cnnviz.files import npz
from cnnviz.networks import series
from tests.fuzz.test_files import DAMAGES, ODD, damaged, places, refused

pytestmark = pytest.mark.pipeline
ARRAYS = {"layers/conv/vars/0": np.ones((3, 3, 3, 2), "float32"), "layers/conv/vars/1": np.zeros(2, "float32")}


def read(folder: Path) -> None:
    path = folder / "1-9.npz"
    try:
        moment = series.read_moment(path)
        found = series.read_arrays(folder, moment, path.name)
    except InputError as error:
        refused(error, str(folder))
    else:
        assert set(found) == set(moment.stands)


@given(damages=DAMAGES)
def test_any_checkpoint(tmp_path: Path, damages: list[tuple[float, bytes, str]]) -> None:
    series.keep(tmp_path, "1-9", ARRAYS, None, series.Moment(1, 9, {"loss": 0.5}))
    file = tmp_path / "1-9.npz"
    file.write_bytes(damaged(file.read_bytes(), damages))
    read(tmp_path)


@given(data=st.data(), value=ODD)
def test_any_words_about_it(tmp_path: Path, data: st.DataObject, value: Any) -> None:
    """One value of what it says is another one; the file is whole otherwise."""
    series.keep(tmp_path, "1-9", ARRAYS, None, series.Moment(1, 9, {"loss": 0.5}))
    file = tmp_path / "1-9.npz"
    stored = npz.load(file)
    about = json.loads(str(stored["about"]))
    place = data.draw(st.sampled_from(places(about)[1:]))
    around = about
    for part in place[:-1]:
        around = around[part]
    around[place[-1]] = value
    file.write_bytes(npz.pack(stored | {"about": np.array(json.dumps(about))}))
    read(tmp_path)


@given(damages=DAMAGES)
def test_any_record_of_a_training(tmp_path: Path, damages: list[tuple[float, bytes, str]]) -> None:
    """What can be read of it is taken, and a line more can be added."""
    lines = [series.Seen(i, 4 * i, "0" * 64, {"loss": 0.5}) for i in range(4)]
    series.write_seen(tmp_path, lines)
    series.write_watch(tmp_path, {"preprocessing": "tf", "architecture": [["Conv2D", {}, [], "first"]]})
    for name in (series.SEEN, series.WATCH):
        file = tmp_path / name
        file.write_bytes(damaged(file.read_bytes(), damages))
    found = series.seen_in(tmp_path)
    assert isinstance(series.watch_in(tmp_path), dict)
    one = series.Seen(9, 36, "1" * 64)
    series.see(tmp_path, one)
    assert series.seen_in(tmp_path) == [*found, one]
