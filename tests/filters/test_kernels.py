"""Kernels are read whole, measured rightly and drawn so that one can tell them apart."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.signal import correlate2d
from scipy.spatial.distance import cdist

from cnnviz import config, filters
from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS
from cnnviz.filters import kernels
from cnnviz.networks import description
from cnnviz.pictures import montage

PARAMS = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


def layer(name: str, kernel_key: Any, filters: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "kernel_key": kernel_key, "bias_key": None, "filters": filters, "depthwise": False, **more}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    """A project folder with one small model in it: four layers of four kinds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    stored = {
        "a/0": rng.normal(size=(3, 3, 3, 5)),
        "a/1": rng.normal(size=5),
        "b/0": rng.normal(size=(3, 3, 5, 2)),
        "c/0": rng.normal(size=(3, 3, 10, 2)),
        "c/1": rng.normal(size=(1, 1, 20, 7)),
        "d/0": rng.normal(size=(1, 1, 7, 1)),
    }
    folder = tmp_path / "artifacts" / "models" / "vgg16"
    folder.mkdir(parents=True)
    with h5py.File(folder / "weights.weights.h5", "w") as file:
        for key, array in stored.items():
            file[key] = array.astype(np.float32)
    layers = [
        layer("first", "a/0", 5, bias_key="a/1"),
        layer("depth", "b/0", 10, depthwise=True),
        layer("separable", ["c/0", "c/1"], 7),
        layer("last", "d/0", 1),
    ]
    model = {"name": "vgg16", "conv_layers": layers, "preprocessing": {"reverse_channels": True}}
    (folder / "model.json").write_text(json.dumps(model))
    return {key: array.astype(np.float32) for key, array in stored.items()}


def test_stage_writes_every_layer_and_the_same_bytes_again(project: dict[str, Any]) -> None:
    filters.extract("vgg16", config.load().weights, ARTIFACTS)
    folder = Path("artifacts/weights/vgg16")
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    layers = ("first", "depth", "separable", "last")
    assert set(written) == {"statistics.json"} | {f"{name}.{kind}" for name in layers for kind in ("npz", "png")}
    with np.load(folder / "first.npz", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["kernel"], project["a/0"])
        np.testing.assert_array_equal(data["bias"], project["a/1"])
    with np.load(folder / "depth.npz", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["kernel"], project["b/0"])
        assert data["bias"].tolist() == [0] * 10
        assert data["bias"].dtype == np.float32
    statistics = json.loads(written["statistics.json"])
    assert list(statistics) == list(layers)
    assert [statistics[name]["parameters"] for name in layers] == [140, 90, 320, 7]
    assert [len(statistics[name]["l2"]) for name in layers] == [5, 10, 7, 1]
    assert statistics["separable"]["kernel_shape"] == [3, 3, 10, 7]
    assert (statistics["last"]["nearest"], statistics["last"]["nearest_cosine"]) == ([-1], [0.0])
    filters.extract("vgg16", config.load().weights, ARTIFACTS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written


def test_missing_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.json: not found; run `dvc repro models@nothing` first"):
        description.read_description(tmp_path / "nothing")


def test_separable_kernel_does_what_its_two_kernels_do(project: dict[str, Any], rng: np.random.Generator) -> None:
    with h5py.File("artifacts/models/vgg16/weights.weights.h5") as file:
        kernel, _, _ = kernels.read_kernel(file, layer("separable", ["c/0", "c/1"], 7))
    assert kernel.shape == (3, 3, 10, 7)
    image = rng.normal(size=(6, 6, 10))
    depth = [  # Keras orders the depthwise outputs by input channel, then multiplier
        correlate2d(image[..., i], project["c/0"][:, :, i, m], "valid") for i in range(10) for m in range(2)
    ]
    two_steps = np.tensordot(np.stack(depth, axis=-1), project["c/1"][0, 0], axes=1)
    one_step = np.stack(
        [sum(correlate2d(image[..., i], kernel[:, :, i, k], "valid") for i in range(10)) for k in range(7)], axis=-1
    )
    np.testing.assert_allclose(one_step, two_steps, rtol=1e-4, atol=1e-4)


def test_depthwise_filter_k_is_channel_k_over_multiplier() -> None:
    kernel = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)  # three channels, multiplier 2
    filters = kernels.filters_of(kernel, depthwise=True)
    assert filters.shape == (6, 1, 1, 2)
    for k in range(6):
        np.testing.assert_array_equal(filters[k, 0], kernel[:, :, k // 2, k % 2])


def test_statistics_by_hand() -> None:
    # Two filters over two input channels, kernels of one row: filter 0 is [3, 4] and [0, 0], filter 1 [-1, 1], [1, 1].
    filters = np.array([[[3, 4], [0, 0]], [[-1, 1], [1, 1]]], np.float32)
    got = kernels.statistics(filters.transpose(2, 1, 0)[None], depthwise=False)
    assert got == {
        "l1": [7, 4],
        "l2": [5, 2],
        "mean": [1.75, 0.5],
        "std": [1.785357, 0.8660254],  # sqrt(25/4 - 1.75²), sqrt(4/4 - 0.5²)
        "near_zero_share": [0.5, 0],
        "nearest": [1, 0],
        "nearest_cosine": [0.1, 0.1],  # (-3 + 4) / (5 * 2)
    }


def test_near_zero_is_measured_against_the_layers_largest_kernel() -> None:
    kernel = np.array([100, 0.9, 1.1, 0], np.float32).reshape(1, 1, 4, 1)
    assert kernels.statistics(kernel, depthwise=False)["near_zero_share"] == [0.5]
    assert kernels.statistics(kernel, depthwise=True)["near_zero_share"] == [0, 1, 0, 1]


def test_nearest_equals_scipy_over_several_blocks(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "BLOCK", 7)
    filters = rng.normal(size=(40, 3, 3, 5))
    filters[31] = -2 * filters[3]
    filters[38] = 5 * filters[12]
    index, cosine = kernels.nearest(filters)
    expected = 1 - cdist(filters.reshape(40, -1), filters.reshape(40, -1), "cosine")
    np.fill_diagonal(expected, -2)
    np.testing.assert_array_equal(index, expected.argmax(axis=1))
    np.testing.assert_allclose(cosine, expected.max(axis=1), atol=1e-8)
    assert index[12] == 38
    assert cosine[12] == 1


def test_filters_of_zeros_have_no_nearest() -> None:
    filters = np.zeros((3, 1, 2, 2))
    filters[2] = 1
    index, cosine = kernels.nearest(filters)
    assert index[:2].tolist() == [-1, -1]
    assert cosine.tolist() == [0, 0, 0]


def test_duplicates_are_broken_by_the_lowest_index() -> None:
    index, cosine = kernels.nearest(np.ones((4, 1, 3, 3)) * np.arange(1, 5)[:, None, None, None])
    assert index.tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(cosine, 1)


def test_strongest_inputs_come_first() -> None:
    filters = np.zeros((2, 3, 1, 2))
    filters[0, :, 0] = [[1, 1], [0, 3], [-2, -2]]
    filters[1, 1] = 1
    assert kernels.strongest_inputs(filters, 2).tolist() == [[1, 2], [1, 0]]


def colours(picture: montage.Picture) -> set[tuple[int, ...]]:
    return {tuple(int(v) for v in colour) for colour in np.unique(picture.reshape(-1, 3), axis=0)}


def test_first_layer_is_drawn_in_colour_red_as_red() -> None:
    kernel = np.zeros((1, 1, 3, 1), np.float32)
    kernel[0, 0] = [[9], [5], [4]]  # the filter likes its channel 0
    assert (255, 51, 0) in colours(kernels.draw_rgb(kernel))
    assert (0, 51, 255) in colours(kernels.draw_rgb(kernel, reverse_channels=True))  # its channel 0 is blue


def test_some_filters_keep_their_numbers(rng: np.random.Generator) -> None:
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    whole, one = kernels.draw_rgb(kernel), kernels.draw_rgb(kernel[..., 3:], numbers=[3])
    height, width = one.shape[:2]
    np.testing.assert_array_equal(whole[-height:, -width:], one)  # the last of two rows of two
    below = kernels.draw_signed(kernel, False, 4, 3)
    row = kernels.draw_signed(kernel[..., 3:], False, 4, 3, numbers=[3])
    np.testing.assert_array_equal(below[-row.shape[0] :, -row.shape[1] :], row)


def test_deeper_layer_is_red_where_positive_blue_where_negative() -> None:
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, :, 0] = [1, 0, -0.5]
    kernel[0, 0, :, 1] = [0, -100, 0]  # a scale of its own
    picture = kernels.draw_signed(kernel, depthwise=False, rows=2, columns=3)
    red, blue, half_blue = montage.diverging([1.0, -1.0, -0.5], 1)
    assert {tuple(red), tuple(blue), tuple(half_blue)} <= colours(picture)
    one_row = kernels.draw_signed(kernel, depthwise=False, rows=1, columns=3)
    assert tuple(blue) not in colours(one_row)
    assert one_row.shape[0] < picture.shape[0]


def test_picture_shows_at_most_the_rows_and_columns_asked(rng: np.random.Generator) -> None:
    kernel = rng.normal(size=(3, 3, 40, 50)).astype(np.float32)
    small, large = (kernels.draw(kernel, False, False, False, n, n) for n in (4, 8))
    assert large.shape[0] - small.shape[0] == 4 * (30 + 2 + 12 + 3)  # kernel, frame, number, padding
    assert (large.shape[1] - small.shape[1]) // (30 + 2 + 3) == 4  # the row labels' width differs by a pixel or so
    depthwise = kernels.draw(kernel[..., :1], True, False, False, 4, 8)
    assert depthwise.shape[0] == 4 * (30 + 2 + 12 + 3) + 3


def test_first_layer_that_sees_grey_images_is_drawn_signed(rng: np.random.Generator) -> None:
    kernel = rng.normal(size=(3, 3, 1, 4)).astype(np.float32)
    signed = kernels.draw_signed(kernel, False, 32, 16)
    np.testing.assert_array_equal(kernels.draw(kernel, False, True, False, 32, 16), signed)


def test_a_transposed_kernel_is_read_as_height_width_in_out(tmp_path: Path, rng: np.random.Generator) -> None:
    stored = rng.normal(size=(2, 3, 5, 4)).astype("float32")  # Keras: (kh, kw, out, in)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["k"] = stored
        kernel, _, _ = kernels.read_kernel(file, layer("up", "k", 5, transposed=True))
    np.testing.assert_array_equal(kernel, stored.transpose(0, 1, 3, 2))


def test_filters_in_groups_have_the_numbers_of_the_channels_that_they_read() -> None:
    assert kernels.first_inputs(6, 2, 4) == [0, 0, 0, 2, 2, 2]
    kernel = np.ones((1, 1, 2, 6), "float32")
    plain, grouped = (
        kernels.draw(kernel, False, False, False, 6, 2, first=first) for first in (None, [0] * 3 + [2] * 3)
    )
    half = len(plain) // 2
    np.testing.assert_array_equal(plain[:half], grouped[:half])
    assert (plain[half:] != grouped[half:]).any()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_filter_of_nan_or_infinity_has_no_numbers_and_the_others_have_theirs(
    broken: float, rng: np.random.Generator
) -> None:
    kernel = rng.normal(size=(3, 3, 4, 3)).astype("float32")
    alone = kernels.statistics(kernel[..., [0, 2]], False)
    kernel[..., 1] = broken
    found = json.loads(json.dumps(kernels.statistics(kernel, False), allow_nan=False))
    for key in ("l1", "l2", "mean", "std", "near_zero_share"):
        assert found[key] == [alone[key][0], None, alone[key][1]]
    assert found["nearest"] == [2, -1, 0]
    assert kernels.draw(kernel, False, False, False, 3, 4).dtype == np.uint8
