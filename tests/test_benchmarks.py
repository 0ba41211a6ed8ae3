"""The benchmark's own arithmetic: operations counted by hand, times between snapshots, tables between markers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks import bench, figures, ours, processes, side_by_side


def test_necessary_flops_by_hand() -> None:
    first = 4 * 3 * 3 * 3 * 8 * 10 * 10  # forward and gradient, a multiplication and an addition each
    last = 4 * 3 * 3 * 8 * 1 * 5 * 5  # one of 16 channels
    assert figures.necessary_flops([(3, 3, 3, 8, 10, 10), (3, 3, 8, 16, 5, 5)]) == first + last
    assert figures.necessary_flops([(3, 3, 3, 64, 2, 2)]) == 4 * 27 * 4


def test_convolutions_are_those_of_the_graph_up_to_the_layer() -> None:
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    x = layers.Conv2D(6, 5, padding="valid", name="b")(layers.MaxPooling2D(2)(x))
    model = keras.Model(inputs, layers.Conv2D(9, 1, name="c")(x))
    assert ours.convolutions(model, "b", 16) == [(3, 3, 3, 4, 16, 16), (5, 5, 4, 6, 4, 4)]


def test_time_to_a_score_lies_between_the_snapshots_around_it() -> None:
    seconds, scores = [1.0, 2.0, 4.0], [10.0, 20.0, 40.0]
    assert figures.time_to(30.0, seconds, scores) == pytest.approx(3.0)
    assert figures.time_to(20.0, seconds, scores) == pytest.approx(2.0)
    assert figures.time_to(5.0, seconds, scores) == 1.0
    assert figures.time_to(41.0, seconds, scores) is None
    assert figures.time_to(15.0, seconds, [10.0, 5.0, 25.0]) == pytest.approx(3.0)  # after a fall


def test_at_time_takes_the_last_snapshot_in_time() -> None:
    assert figures.at_time(2.5, [1.0, 2.0, 4.0]) == 1
    assert figures.at_time(3.9, [1.0, 2.0, 4.0]) == 2  # within the tolerance
    assert figures.at_time(0.5, [1.0, 2.0, 4.0]) is None


def test_table_goes_between_the_markers_and_only_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{figures.START}\nold\n{figures.END}\nbelow\n")
    for _ in range(2):  # writing it again changes nothing
        figures.write_between_markers(page, figures.table(["", "ms"], [["a", "1"], ["b", "2"]]))
        expected = "|  | ms |\n| --- | ---: |\n| a | 1 |\n| b | 2 |"
        assert page.read_text() == f"above\n{figures.START}\n{expected}\n{figures.END}\nbelow\n"
    with pytest.raises(ValueError, match="markers"):
        figures.insert("no markers", "x")


def test_the_docs_have_the_markers() -> None:
    figures.insert((processes.ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"), "x")


@pytest.mark.parametrize(
    ("layer", "special"), [("block2_conv2", 77), ("block3_conv1", 159), ("block4_conv1", 243), ("block5_conv1", 121)]
)
def test_filters_have_the_known_one_among_them(layer: str, special: int) -> None:
    assert special in bench.chosen(layer, 16)
    assert len(set(bench.chosen(layer, 16))) == 16
    assert len(bench.chosen(layer, 4)) == 4


def test_snapshots_end_with_the_last_step() -> None:
    assert bench.snapshots(32) == [4, 8, 16, 24, 32]
    assert bench.snapshots(2) == [1, 2]


@pytest.mark.pipeline
def test_robust_score_prefers_the_filters_own_pattern(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    convs = [{"name": "first", "receptive_field": [3, 3]}]
    network = (tiny(size=None), {"preprocessing": raw, "digest": "x", "input_shape": [32, 32, 3], "conv_layers": convs})
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    rendered = ours.render(network, "first", [1, 4], 40, 32, "float32", [1, 40])
    assert rendered["images"].shape == (2, 2, 32, 32, 3)
    assert rendered["seconds"][0] < rendered["seconds"][1]
    found = ours.robust(network, "first", [1, 4], rendered["images"][:, 1])
    assert (found > ours.robust(network, "first", [1, 4], noise)).all()


def test_side_by_side_picture_has_a_tile_for_each_tool_and_filter(tmp_path: Path) -> None:
    tools, n = list(side_by_side.TOOLS), len(side_by_side.FILTERS)
    images = {tool: [np.full((128, 128, 3), 40 * i, "uint8") for _ in range(n)] for i, tool in enumerate(tools)}
    figures_ = {tool: [{"seconds": 1.0, "robust": float(i)}] * n for i, tool in enumerate(tools)}
    picture = side_by_side.draw(images, figures_, dict.fromkeys(tools, 8))
    colours = np.asarray(picture).reshape(-1, 3)
    for i in range(len(tools)):
        assert (colours == 40 * i).all(1).sum() >= n * side_by_side.TILE**2
    side_by_side.save(picture, tmp_path / "x.jpg", 400_000)
    assert (tmp_path / "x.jpg").stat().st_size <= 400_000
