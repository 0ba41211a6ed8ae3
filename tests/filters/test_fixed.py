"""Fixed kernels agree with SciPy and with numbers worked out by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy.signal import correlate2d

from cnnviz import config, filters
from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS
from cnnviz.filters import fixed
from cnnviz.images import sets
from cnnviz.networks import description

PARAMS = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")
DIAGONAL = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def grey(rows: list[list[float]]) -> np.ndarray:
    """One image `(1, h, w, 1)`."""
    return np.array(rows, np.float32)[None, ..., None]


def test_diagonal_kernel_by_hand() -> None:
    got = fixed.correlate(grey([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), DIAGONAL)
    assert got.dtype == np.float32
    assert got[0].tolist() == [[1 + 5, 2 + 6, 3], [4 + 8, 1 + 5 + 9, 2 + 6], [7, 4 + 8, 5 + 9]]


def test_the_kernel_is_not_flipped() -> None:
    point = grey([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    kernel = np.arange(9).reshape(3, 3)
    np.testing.assert_array_equal(fixed.correlate(point, kernel)[0], kernel[::-1, ::-1])


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (5, 3), (7, 7), (11, 11)])
def test_two_dimensional_kernels_equal_scipy(shape: tuple[int, int], rng: np.random.Generator) -> None:
    pictures, kernel = rng.uniform(size=(2, 9, 8, 3)), rng.normal(size=shape)
    got = fixed.correlate(pictures, kernel)
    for i in range(2):
        expected = sum(correlate2d(pictures[i, ..., c], kernel, "same") for c in range(3))
        np.testing.assert_allclose(got[i], expected, rtol=1e-5, atol=1e-5)


def test_kernels_of_three_channels_equal_scipy(rng: np.random.Generator) -> None:
    pictures, kernel = rng.uniform(size=(2, 9, 8, 3)), rng.normal(size=(3, 3, 3))
    expected = [sum(correlate2d(p[..., c], kernel[..., c], "same") for c in range(3)) for p in pictures]
    np.testing.assert_allclose(fixed.correlate(pictures, kernel), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("picture", "kernel"), [((4, 4, 3), (3, 3)), ((1, 4, 4, 3), (3, 3, 2)), ((1, 4, 4, 3), (3,))])
def test_shapes_that_do_not_match_are_named(picture: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected images \(n, h, w, c\), kernel"):
        fixed.correlate(np.zeros(picture), np.zeros(kernel))


def test_pooling_by_hand() -> None:
    maps = grey([[1, 2, -1, 0, 9], [3, 6, 5, 4, 9], [9, 9, 9, 9, 9]])  # the last row and column fill no window
    assert fixed.pool(maps, 2, "min")[0, ..., 0].tolist() == [[1, -1]]
    assert fixed.pool(maps, 2, "average")[0, ..., 0].tolist() == [[3, 2]]
    assert fixed.pool(maps, 2, "max")[0, ..., 0].tolist() == [[6, 5]]
    assert fixed.pool(maps, 3, "max")[0, ..., 0].tolist() == [[9]]
    with pytest.raises(ValueError, match="1 to 3 pixels"):
        fixed.pool(maps, 4, "max")


def test_gabor_by_hand() -> None:
    across = fixed.gabor(size=5, wavelength=4, orientation=0, sigma=2)
    assert across[2, 2] == 1
    # One pixel right is a quarter wave: cos = 0. Two are half a wave: -1, under exp(-4 / 8).
    np.testing.assert_allclose(across[2], [-np.exp(-0.5), 0, 1, 0, -np.exp(-0.5)], atol=1e-7)
    np.testing.assert_allclose(across[:, 2], [np.exp(-0.5), np.exp(-0.125), 1, np.exp(-0.125), np.exp(-0.5)], rtol=1e-6)
    np.testing.assert_allclose(fixed.gabor(5, 4, 90, 2), across.T, atol=1e-7)
    slanted = fixed.gabor(7, 4, 45, 2)  # it changes from top left to bottom right, stripes run the other way
    assert slanted[1, 5] > 0.3
    assert slanted[2, 2] < 0


MODEL: dict[str, Any] = {
    "name": "vgg16",
    "input_shape": [224, 224, 3],
    "preprocessing": {"reverse_channels": True},
    "conv_layers": [
        {"name": "block1_conv1", "kernel_shape": [3, 3, 3, 4], "filters": 4, "depthwise": False},
        {"name": "deep", "kernel_shape": [3, 3, 4, 8], "filters": 8, "depthwise": False},
        {"name": "depth", "kernel_shape": [3, 3, 3, 2], "filters": 6, "depthwise": True},
    ],
}


@pytest.fixture
def kernel_file(tmp_path: Path, rng: np.random.Generator) -> Path:
    path = tmp_path / "block1_conv1.npz"
    np.savez(path, kernel=rng.normal(size=(3, 3, 3, 4)).astype(np.float32))
    return path


@pytest.mark.parametrize("reverse", [True, False])
def test_borrowed_kernels_answer_rgb_as_the_network_answers_its_own_order(
    reverse: bool, kernel_file: Path, rng: np.random.Generator
) -> None:
    model = {**MODEL, "preprocessing": {"reverse_channels": reverse}}
    kernels, told = fixed.borrow(kernel_file, model, "block1_conv1", [2, 0])
    assert told is reverse
    assert list(kernels) == ["block1_conv1_2", "block1_conv1_0"]
    rgb = rng.uniform(size=(1, 6, 6, 3))
    seen = rgb[0, ..., ::-1] if reverse else rgb[0]
    with np.load(kernel_file) as data:
        own = data["kernel"][..., 2]
    expected = sum(correlate2d(seen[..., c], own[..., c], "same") for c in range(3))
    np.testing.assert_allclose(fixed.correlate(rgb, kernels["block1_conv1_2"])[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "filters", "message"),
    [
        ("block1_conv2", [0], "vgg16 has no convolutional layer 'block1_conv2'; nearest: block1_conv1"),
        ("deep", [0], "deep does not see the image's 3 channels; valid: block1_conv1"),
        ("depth", [0], "depth does not see the image's 3 channels"),
        ("block1_conv1", [1, 4], "block1_conv1 has no filter 4; valid: 0 to 3"),
    ],
)
def test_what_cannot_be_borrowed_is_named(layer: str, filters: list[int], message: str, kernel_file: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        fixed.borrow(kernel_file, MODEL, layer, filters)
    assert str(caught.value).startswith("fixed_filters.borrowed.")


def test_missing_weights_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found; run `dvc repro weights@vgg16`"):
        fixed.borrow(tmp_path / "x.npz", MODEL, "block1_conv1", [0])


def image_set(*pictures: np.ndarray) -> sets.ImageSet:
    height, width = (max(p.shape[axis] for p in pictures) for axis in (0, 1))
    batch = np.zeros((len(pictures), height, width, 3), np.uint8)
    for i, picture in enumerate(pictures):
        batch[i, : picture.shape[0], : picture.shape[1]] = picture
    sizes = np.array([p.shape[:2] for p in pictures], np.int32)
    labels = np.full(len(pictures), -1, np.int32)
    return sets.ImageSet(batch, sizes, labels, np.array([f"p{i}" for i in labels]), np.empty(0, "<U1"))


def test_images_are_scaled_to_one_and_large_ones_down(rng: np.random.Generator) -> None:
    small = rng.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    batch, sizes = fixed.prepare(image_set(small), 1, 1)
    np.testing.assert_allclose(batch[0], small / 255, rtol=1e-6)
    assert batch.dtype == np.float32
    batch, sizes = fixed.prepare(image_set(small, np.full((1024, 512, 3), 255, np.uint8)), 2, 1)
    assert sizes.tolist() == [[4, 6], [512, 256]]
    assert (batch[1, :, :256] == 1).all()
    np.testing.assert_allclose(batch[0, :4, :6], small / 255, rtol=1e-6)


def test_images_of_mixed_sizes_give_what_each_alone_gives(rng: np.random.Generator) -> None:
    pictures = [rng.integers(0, 256, shape).astype(np.uint8) for shape in ((4, 6, 3), (8, 5, 3))]
    kernels = {"box": np.ones((3, 3), np.float32)}
    together = fixed.apply(*fixed.prepare(image_set(*pictures), 2, 1), kernels, 2)
    for i, picture in enumerate(pictures):
        alone = fixed.apply(*fixed.prepare(image_set(picture), 1, 1), kernels, 2)
        h, w = picture.shape[:2]
        np.testing.assert_array_equal(together["outputs"][i, :h, :w], alone["outputs"][0])
        assert not together["outputs"][i, h:].any()
        assert not together["outputs"][i, :, w:].any()


def test_too_many_images_say_how_many_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed, "MAX_VALUES", 4 * 6 * (2 + 3) * 3)
    pictures = [np.zeros((4, 6, 3), np.uint8)] * 4
    assert len(fixed.prepare(image_set(*pictures), 3, 2)[0]) == 3
    with pytest.raises(InputError, match=r"fixed_filters\.images: 4 images of 6x4 pixels .* at most 3 fit"):
        fixed.prepare(image_set(*pictures), 4, 2)


def test_a_pool_larger_than_an_image_is_refused() -> None:
    batch, sizes = fixed.prepare(image_set(np.zeros((4, 6, 3), np.uint8)), 1, 1)
    with pytest.raises(InputError, match="pool_size: 5 is larger than the smallest image, 4 pixels"):
        fixed.apply(batch, sizes, {"one": np.ones((1, 1), np.float32)}, 5)


def test_scale_is_one_per_kernel_and_takes_no_notice_of_the_rim() -> None:
    maps = np.zeros((1, 9, 9, 2), np.float32)
    maps[0, 4, 4] = [2, -4]
    maps[0, 0, 0] = [90, 90]
    got = fixed.scaled(maps, maps)
    assert got[0, 4, 4].tolist() == [255, 0]
    assert got[0, 5, 5].tolist() == [0, 128]
    assert got[0, 0, 0].tolist() == [255, 255]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_file: Path, rng: np.random.Generator) -> Path:
    """A project folder whose earlier stages have run on something small."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    artifacts = tmp_path / "artifacts"
    for folder in ("images", "models/vgg16", "weights/vgg16"):
        (artifacts / folder).mkdir(parents=True)
    (artifacts / "models" / "vgg16" / "model.json").write_text(json.dumps(MODEL))
    kernel_file.rename(artifacts / "weights" / "vgg16" / "block1_conv1.npz")
    pictures = image_set(*rng.integers(0, 256, (12, 32, 32, 3)).astype(np.uint8))
    np.savez(artifacts / "images" / "cifar10.npz", **{key: getattr(pictures, key) for key in sets.ARRAYS})
    return tmp_path


def test_stage_writes_what_the_contract_says_and_the_same_bytes_again(project: Path) -> None:
    filters.apply(config.load().fixed_filters, ARTIFACTS)
    folder = Path("artifacts/fixed_filters")
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    pictures = {"kernels.png", "outputs.png", "relu.png", "pooling.png"}
    assert set(written) == pictures | {"kernels.npz", "outputs.npz", "fixed_filters.json"}
    with np.load(folder / "outputs.npz", allow_pickle=False) as data:
        arrays = dict(data)
    names = arrays["kernels"].tolist()
    assert names[:2] == ["diagonal", "antidiagonal"]
    assert arrays["images"].shape == (10, 32, 32, 3)
    assert 0 <= arrays["images"].min() < arrays["images"].max() <= 1
    assert arrays["outputs"].shape == (10, 32, 32, len(names))
    assert arrays["pool_min"].shape == (10, 16, 16, len(names))
    summed = arrays["images"][3].sum(axis=-1)
    for k, kernel in enumerate((DIAGONAL, np.fliplr(DIAGONAL))):
        np.testing.assert_allclose(arrays["outputs"][3, ..., k], correlate2d(summed, kernel, "same"), rtol=1e-5)
    np.testing.assert_array_equal(arrays["relu"], np.where(arrays["outputs"] > 0, arrays["outputs"], 0))
    assert (arrays["pool_min"] <= arrays["pool_average"]).all()
    assert (arrays["pool_average"] <= arrays["pool_max"]).all()
    about = json.loads(written["fixed_filters.json"])
    assert [each["name"] for each in about["kernels"]] == names
    assert "sees BGR" in about["kernels"][-1]["origin"]
    assert "sees BGR" not in about["kernels"][0]["origin"]
    with np.load(folder / "kernels.npz", allow_pickle=False) as data:
        assert [list(data[each["name"]].shape) for each in about["kernels"]] == [e["shape"] for e in about["kernels"]]
    filters.apply(config.load().fixed_filters, ARTIFACTS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written


def test_kernel_names_that_collide_are_refused(project: Path) -> None:
    params = yaml.safe_load(PARAMS)
    params["fixed_filters"]["kernels"]["block1_conv1_0"] = DIAGONAL
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(InputError, match="is the name of a borrowed kernel"):
        filters.apply(config.load().fixed_filters, ARTIFACTS)


def test_a_kernel_may_have_the_name_of_an_argument_of_numpy(project: Path) -> None:
    params = yaml.safe_load(PARAMS)
    params["fixed_filters"]["kernels"]["file"] = DIAGONAL
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    filters.apply(config.load().fixed_filters, ARTIFACTS)
    with np.load("artifacts/fixed_filters/kernels.npz") as data:
        assert data["file"].tolist() == DIAGONAL


def test_description_of_a_missing_model_says_what_to_run(project: Path) -> None:
    (project / "artifacts/models/vgg16/model.json").unlink()
    with pytest.raises(InputError, match="run `dvc repro models@vgg16` first"):
        description.read_description(Path("artifacts/models/vgg16"))


def test_kernels_of_a_grey_network_see_the_luminance(tmp_path: Path, rng: np.random.Generator) -> None:
    layer = {"name": "conv", "kernel_shape": [3, 3, 1, 4], "filters": 4, "depthwise": False}
    model = {"name": "grey", "input_shape": [28, 28, 1], "preprocessing": {"reverse_channels": False}}
    np.savez(tmp_path / "conv.npz", kernel=rng.normal(size=(3, 3, 1, 4)).astype(np.float32))
    kernels, _ = fixed.borrow(tmp_path / "conv.npz", {**model, "conv_layers": [layer]}, "conv", [3])
    pixels = rng.integers(0, 256, (2, 8, 9, 3)).astype(np.uint8)
    images, sizes = pixels / np.float32(255), np.full((2, 2), (8, 9), np.int32)
    arrays = fixed.apply(images, sizes, kernels, 2)
    for i in range(2):
        seen = np.asarray(Image.fromarray(pixels[i]).convert("L"), np.float32) / 255
        wanted = correlate2d(seen, kernels["conv_3"][..., 0], "same")
        np.testing.assert_allclose(arrays["outputs"][i, ..., 0], wanted, atol=1e-5)
    assert set(fixed.draw(arrays, kernels, ["a", "b"])) == {"kernels.png", "outputs.png", "relu.png", "pooling.png"}
    with pytest.raises(InputError, match=r"fixed_filters.set: its images for conv_3: 12 channels, the network sees 1"):
        fixed.apply(np.zeros((1, 8, 9, 12), np.float32), sizes[:1], kernels, 2)
