"""Circuit, sheets and drawings of the site, on cases small enough to work out by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis import examples
from cnnviz.errors import InputError
from cnnviz.report.data import Facts
from cnnviz.report.site import circuit, layers, links, patches, pictures


def _wired(network) -> dict[str, tuple[str, ...]]:
    from cnnviz.networks import graph
    from cnnviz.networks.origins import sources

    return {name: tuple(found) for name, found in sources(graph.trace(network, network.input_shape[1:])).items()}


def test_sources_through_pooling_additions_and_nested_models(tiny) -> None:
    found = _wired(tiny(24, head=True))
    assert found == {
        "first": (),
        "expand": ("first",),
        "depthwise": ("expand",),
        "separable": ("depthwise",),
        "dilated": ("separable",),
    }


def test_an_addition_has_both_sources_a_concatenation_none() -> None:
    import keras

    inputs = keras.Input((8, 8, 3))
    a = keras.layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    b = keras.layers.Conv2D(4, 1, name="b")(a)
    x = keras.layers.Conv2D(2, 1, name="sum")(keras.layers.Add()([a, b]))
    y = keras.layers.Conv2D(2, 1, name="pair")(keras.layers.Concatenate()([a, x]))
    found = _wired(keras.Model(inputs, y))
    assert found == {"a": (), "b": ("a",), "sum": ("a", "b"), "pair": ()}


def test_strongest_channels_by_norm_and_sign_in_both_directions() -> None:
    kernel = np.zeros((1, 2, 4, 2), "f4")
    kernel[0, :, 0, 1] = 1, 1  # adds, norm 1.41
    kernel[0, :, 1, 1] = -3, 0  # takes away, norm 3
    kernel[0, :, 2, 1] = 2, -1  # adds, norm 2.24
    kernel[0, :, 0, 0] = -1, 0
    wiring = circuit.Wiring(kernel, depthwise=False)
    adds, takes = wiring.inputs(1, ("before",), 4)
    assert [(link.layer, link.filter) for link in adds] == [("before", 2), ("before", 0)]
    assert [link.filter for link in takes] == [1]  # channel 3 is not connected
    assert adds[0].strength == pytest.approx(5**0.5)
    assert takes[0].kernel.tolist() == [[-3, 0]]
    adds, takes = wiring.outputs(0, "here", 4)
    assert [[link.filter for link in side] for side in (adds, takes)] == [[1], [0]]


def test_depthwise_filters_have_one_input_and_as_many_outputs_as_the_multiplier() -> None:
    kernel = np.ones((3, 3, 5, 2), "f4")
    wiring = circuit.Wiring(kernel, depthwise=True)
    assert [link.filter for link in wiring.inputs(7, ("before",), 4)[0]] == [3]  # 7 // 2
    assert [link.filter for link in wiring.outputs(3, "here", 4)[0]] == [6, 7]


def test_sheet_of_all_filters_without_its_numbers(tmp_path: Path) -> None:
    tones = np.linspace(20, 230, 40).astype(np.uint8)
    drawn = np.broadcast_to(tones[:, None, None, None], (40, 32, 32, 3))
    Image.fromarray(examples.overview(drawn)).save(tmp_path / "all.png")
    files = pictures.Files(tmp_path)
    sheet = pictures.rewrite_overview(files, "m/sheet.webp", tmp_path / "all.png", 40, {})
    files.finish()
    pixels = np.asarray(Image.open(tmp_path / "m/sheet.webp").convert("L"), int)
    assert pixels.shape == (2 * 32, 32 * 32)
    for k, tone in enumerate(tones.tolist()):
        x, y = sheet.place(k)
        tile = pixels[y * 32 : y * 32 + 32, x * 32 : x * 32 + 32]
        assert abs(tile[4:-4, 4:-4] - tone).max() <= 6, k  # lossy


def test_histograms_of_two_sets_share_one_range() -> None:
    edges = np.arange(-3.0, 7.0)
    one, other = np.int64([0, 0, 0, 1, 1, 0, 0, 0, 0]), np.int64([0, 0, 0, 0, 0, 0, 4, 0, 0])
    (left, low, high), (right, _, _) = pictures.outlines([one, other], edges)
    assert (low, high) == (0.0, 4.0)
    assert left == "M0,60V32.0H75.0V32.0H150.0V60.0H225.0V60.0H300.0V60Z"
    assert right == "M0,60V60.0H75.0V60.0H150.0V60.0H225.0V4.0H300.0V60Z"


def test_what_is_small_in_a_histogram_is_one_bar() -> None:
    edges = np.array([-4, -2, -0.001, 0.001, 2, 4])
    ((path, _, _),) = pictures.outlines([np.ones(5, np.int64)], edges)
    assert path == "M0,60V32.0H75.0V32.0H150.0V4.0H225.0V32.0H300.0V60Z"


def test_box_in_percent_of_the_part_inside_the_image() -> None:
    assert patches.inside([-10, 50, 50, 130], 100, 100) == (50, 0, 50, 50)


def test_kernels_side_by_side_white_at_zero() -> None:
    import base64
    import io

    uri = pictures.diverging([np.float32([[0, 1, -1]]), np.float32([[1]])])
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    white, red, blue = [255, 255, 255], [178, 24, 43], [33, 102, 172]
    assert np.asarray(image).tolist() == [[white, red, blue, white, red, white]]


def test_addresses_are_quoted_part_by_part() -> None:
    assert links.url("m", 'a"><b', "1.html") == "m/a%22%3E%3Cb/1.html"
    assert links.url("m", "a/b", "c") == "m/a%2Fb/c"


@pytest.mark.parametrize("name", ["..", ".", "a/b", ""])
def test_no_layer_leaves_its_folder(name: str, tmp_path: Path) -> None:
    facts: Facts = {"conv_layers": [{"name": name}], "config": {}}
    with pytest.raises(InputError, match="cannot name a folder"):
        layers.read_model(tmp_path, "m", [], facts)
