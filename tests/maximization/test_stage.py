"""The stage as a whole on a tiny stored model: what its other parts can't show by themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnviz import maximization
from cnnviz.errors import InputError
from cnnviz.files import Stopwatch, npz
from cnnviz.maximization import MaximizeSection
from cnnviz.networks import ModelSection
from tests.maximization import stored_project

pytestmark = pytest.mark.pipeline  # traces and renders


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., Any], rng: np.random.Generator
) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnnviz.maximization.stage.CACHE", tmp_path)
    return stored_project.write(tiny(), rng)


def render(artifacts: Path, layers: Any = None, **options: Any) -> None:
    layers = layers or {"first": [0]}
    model = ModelSection(file="inputs/models/tiny.keras", layers=layers, objectives={"mixed": "channel(first, 1)"})
    section = MaximizeSection.model_validate({"steps": 2, "stability_steps": 0, "size": 24, **options})
    maximization.run("tiny", model, section, 0, ["shapes", "bands"], artifacts, Stopwatch())


def test_maco_renders_objectives_with_the_magnitudes_of_nature(project: Path) -> None:
    render(project, parameterization="maco")
    image = npz.read(project / "maximize/tiny/objectives/mixed.npz")["images"][0].astype(float)
    natural = npz.read(project / "maximize/tiny/first.npz")["images"][0].astype(float)
    assert image.shape == natural.shape == (24, 24, 3)
    spectra = [np.abs(np.fft.fft2(one.mean(2)))[1:, 1:].mean() for one in (image, natural)]
    assert spectra[0] == pytest.approx(spectra[1], rel=0.1)  # magnitudes are fixed: both have those of the same images


def test_pictures_from_patches_start_where_natural_images_drive_the_filter_most(project: Path) -> None:
    layers = {"dilated": [0, 3]}
    still = {"learning_rate": 1e-6, "contrast": 0, "steps": 3, "snapshots": [], "layers": layers}
    render(project, from_patches=2, **still)
    made = npz.read(project / "maximize/tiny/dilated.npz")
    assert made["from_patches"].shape == (2, 2, 24, 24, 3)
    peaks = npz.read(project / "feature_maps/tiny/shapes/per_image.npz")["dilated/peak"]
    for row, k in enumerate(layers["dilated"]):
        strongest = np.argsort(-peaks[:, k])[:2].tolist()
        assert made["from_patches_of"][row].tolist() == [f"shapes/{i}" for i in strongest]
        for place, i in enumerate(strongest):  # hardly a step is made: the images as the network sees them
            photo = Image.open(f"inputs/images/shapes/{i}.png").resize((24, 24), Image.Resampling.BILINEAR)
            np.testing.assert_allclose(made["from_patches"][row, place], np.asarray(photo).clip(5, 250), atol=6)
    render(project, from_patches=9, **still)
    assert npz.read(project / "maximize/tiny/dilated.npz")["from_patches"].shape[1] == 3  # as many as there are images
    render(project, from_patches=0, **still)
    assert "from_patches" not in npz.read(project / "maximize/tiny/dilated.npz")
    render(project, from_patches=2, **{**still, "layers": {"first": [0]}})
    assert "from_patches" not in npz.read(project / "maximize/tiny/first.npz")


def test_a_start_that_the_network_cannot_see_is_one_line(project: Path) -> None:
    with pytest.raises(
        InputError, match=r"^params\.yaml: maximize\.start: tiny can't see the images of that set; shapes$"
    ):
        render(project, start="bands/0")
    assert not (project / "maximize").exists()
