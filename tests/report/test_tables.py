"""Tables as files, connections of a whole layer at once, parts of photos: on cases small enough to work out by hand."""

import csv
import io

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from cnnviz.report.site import circuit, every, rows, tables


def test_csv_and_parquet_hold_the_same_values_of_the_right_kinds() -> None:
    table = {
        "name": ["a,b", None],
        "rank": tables.values(np.array([3, 4], np.int32)),
        "score": tables.values(np.array([1 / 3, np.nan], np.float32)),
        "whole": tables.values([2.0, float("inf")]),
        "right": [True, None],
        "nothing": [None, None],
    }
    read = parquet.read_table(pyarrow.BufferReader(tables.as_parquet(table)))
    assert {field.name: str(field.type) for field in read.schema} == {
        "name": "string",
        "rank": "int64",
        "score": "double",
        "whole": "double",
        "right": "bool",
        "nothing": "double",
    }
    assert read.to_pylist() == [
        {"name": "a,b", "rank": 3, "score": 0.333333, "whole": 2.0, "right": True, "nothing": None},
        {"name": None, "rank": 4, "score": None, "whole": None, "right": None, "nothing": None},
    ]
    found = list(csv.reader(io.StringIO(tables.as_csv(table).decode())))
    assert found == [list(table), ["a,b", "3", "0.333333", "2.0", "True", ""], ["", "4", "", "", "", ""]]


def test_cells_of_a_csv_file_get_their_kinds_but_names_stay_names() -> None:
    lines = [
        {"image": "3", "name": "007", "predicted_class": "7", "confidence": "0.5", "right": "True", "vgg16 layer": "1"},
        {"image": "", "name": "8", "predicted_class": "", "confidence": "1", "right": "", "vgg16 layer": "2"},
    ]
    assert tables.of_rows(lines) == {
        "image": [3, None],
        "name": ["007", "8"],
        "predicted_class": ["7", None],
        "confidence": [0.5, 1.0],
        "right": [True, None],
        "vgg16 layer": ["1", "2"],
    }


def test_an_empty_table_is_no_file() -> None:
    assert not tables.write(None, "x", {})  # type: ignore[arg-type]
    assert not tables.write(None, "x", {"a": []})  # type: ignore[arg-type]


WIRED = [((3, 3, 6, 9), False, 1), ((1, 1, 2, 6), False, 3), ((3, 3, 5, 2), True, 1), ((1, 1, 1, 1), False, 1)]


@pytest.mark.parametrize(("shape", "depthwise", "groups"), WIRED)
def test_connections_of_all_filters_are_those_of_each(
    rng, shape: tuple[int, ...], depthwise: bool, groups: int
) -> None:
    kernel = rng.normal(size=shape).astype("f4")
    kernel[..., 0, :] = 0  # not connected
    wiring = circuit.Wiring(kernel, depthwise, groups)
    filters = shape[2] * shape[3] if depthwise else shape[3]
    channels = shape[2] * groups
    for found, one, count in (
        (wiring.all_inputs(3), lambda k: wiring.inputs(k, ("before",), 3), filters),
        (wiring.all_outputs(3), lambda k: wiring.outputs(k, "after", 3), channels),
    ):
        assert found.channels.shape == (count, 2, 3)
        for k in range(count):
            for side, links in enumerate(one(k)):
                assert found.channels[k, side].tolist() == [*(link.filter for link in links), -1, -1, -1][:3]
                for i, link in enumerate(links):
                    assert (found.kernels[k, side, i] == link.kernel).all()
                assert not found.kernels[k, side, len(links) :].any()


def test_a_part_of_a_photo_as_the_browser_shows_it() -> None:
    boxes = np.array([[[10, 20, 30, 60], [-10, -10, 10, 10], [-5, -5, 105, 205], [-30, 0, 110, 50]]])
    (styles,), (beyond,) = every.crops(boxes, (100, 200))
    assert styles == [
        "--c:5;--r:5;--x:0.5;--y:0.5;aspect-ratio:2",
        "--c:20;--r:10;--x:0;--y:0",
        "--c:1;--r:1;--x:0;--y:0;aspect-ratio:2",
        "--c:4;--r:1;--x:0;--y:0;aspect-ratio:0.5",
    ]
    assert beyond.tolist() == [0, 75, 0, 0]  # a side as long as the image's is the image's


def test_bars_count_what_the_table_shows() -> None:
    table = {"rate": [0.0, 0.041666, 0.0416671, 0.5, 1.0, None]}
    found = rows.bars(table, "rate", count=24)
    assert [said for height, _, said in found if height] == [
        "0 to 0.0417: 1 filter",
        "0.0417 to 0.0833: 2 filters",
        "0.5 to 0.542: 1 filter",
        "0.958 to 1: 1 filter",
    ]
    assert found[0][1] == "?rate=0..<0.0416667#filters"
    assert found[-1][1] == "?rate=0.958333..#filters"
