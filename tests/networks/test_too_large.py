"""Layers that ask for more memory than there is: a line before anything is computed."""

from pathlib import Path
from typing import Any

import keras
import pytest

from cnnviz import networks
from cnnviz.errors import InputError

LAYERS = keras.layers
# Bytes: 4 for each number. In front of the first convolution three images are tried, and held twice in float64, too
LARGE = {
    "front": (LAYERS.UpSampling2D(10**6, name="up"), None, 3 * (4 + 8 + 8) * (8 * 10**6) ** 2 * 3),
    "edge": (LAYERS.ZeroPadding2D(10**7, name="up"), None, 3 * (4 + 8 + 8) * (8 + 2 * 10**7) ** 2 * 3),
    "behind": (None, LAYERS.UpSampling2D(10**6, name="up"), 4 * (6 * 10**6) ** 2 * 2),
}


@pytest.mark.parametrize("place", LARGE)
@pytest.mark.parametrize("given", [{}, {"preprocessing": "unit"}], ids=["assumed", "given"])
def test_what_it_would_need_is_said_before_it_is_run(tmp_path: Path, place: str, given: dict[str, Any]) -> None:
    front, behind, needed = LARGE[place]
    inputs = keras.Input((8, 8, 3))
    x = LAYERS.Conv2D(2, 3, name="conv")(front(inputs) if front else inputs)
    x = LAYERS.GlobalAveragePooling2D()(behind(x) if behind else x)
    keras.Model(inputs, x).save(tmp_path / "net.keras")
    with pytest.raises(InputError) as caught:
        networks.run("net", networks.ModelSection(file=str(tmp_path / "net.keras"), **given), tmp_path)
    images = "an image" if place == "behind" or given else "3 images"
    needed = needed // 15 if place != "behind" and given else needed
    said = f"models.net: layer up: its maps of {images} of 8x8 pixels take over {needed / 1e9:,.1f} GB of memory, this"
    assert said in str(caught.value)
    assert str(caught.value).endswith("; lower `input_size`, or save the model without it")
    assert not (tmp_path / "models/net/model.json").exists()
