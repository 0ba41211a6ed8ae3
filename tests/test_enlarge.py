"""`python -m cnnviz.enlarge`: what it writes into params.yaml, and what it refuses before it writes anything."""

from pathlib import Path

import pytest
import yaml

from cnnviz import config, enlarge
from cnnviz.errors import InputError

TEXT = (Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8")
FIRST = ("vgg16", "block5_conv3", 10, 512)


def without_section(text: str) -> dict:
    return {key: value for key, value in yaml.safe_load(text).items() if key != "enlarge"}


def test_entries_are_added_one_after_the_other_and_all_else_stays() -> None:
    text = TEXT
    wanted: dict = {}
    for model, layer, k, size in (
        FIRST,
        ("vgg16", "block5_conv3", 156, 256),
        ("cifar10-cnn", "conv2d", 3, 64),
        ("vgg16", "block1_conv1", 0, 128),
        ("vgg16", "block5_conv3", 10, 384),
    ):
        text = enlarge.with_entry(text, model, layer, k, size)
        wanted.setdefault(model, {}).setdefault(layer, {})[k] = size
        assert yaml.safe_load(text)["enlarge"] == wanted
        assert without_section(text) == without_section(TEXT)
    before = [line for line in TEXT.splitlines() if not line.startswith("enlarge:")]
    after = text.splitlines()
    assert [line for line in after if line in set(before)] == before  # comments and order, too
    assert sum(line.startswith("enlarge:") and "`python -m cnnviz.enlarge` writes it" in line for line in after) == 1


@pytest.mark.parametrize(
    "section", ["", "enlarge:\n", "enlarge: {}\n", "enlarge:\n  # mine\n  cifar10-cnn: {conv2d: {1: 64}}  # why\n"]
)
def test_however_the_section_is_written(section: str) -> None:
    text = "random_seed: 0\n" + section + "# the end\n"
    found = yaml.safe_load(changed := enlarge.with_entry(text, *FIRST))
    assert found["enlarge"]["vgg16"] == {"block5_conv3": {10: 512}}
    assert "# the end" in changed
    if "mine" in section:
        assert found["enlarge"]["cifar10-cnn"] == {"conv2d": {1: 64}}
        assert "  # mine\n  cifar10-cnn: {conv2d: {1: 64}}  # why\n" in changed


def test_in_braces_it_is_refused() -> None:
    with pytest.raises(InputError, match="stands in braces"):
        enlarge.with_entry("enlarge: {cifar10-cnn: {conv2d: {1: 64}}}\n", *FIRST)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("vgg61", "block5_conv3", 10, 512), "no model 'vgg61'.*vgg16"),
        (("vgg16", "block5_conv3", 10, 4), "given 4; expected"),
        (("vgg16", "block5_conv3", -1, 64), "enlarge.vgg16.block5_conv3"),
    ],
)
def test_what_can_not_be_is_refused_and_nothing_written(tmp_path: Path, monkeypatch, asked: tuple, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        enlarge.write(*asked)
    assert Path("params.yaml").read_text(encoding="utf-8") == TEXT


def test_layers_and_filters_are_held_against_the_model(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXT, encoding="utf-8")
    stored = Path("artifacts/models/vgg16/model.json")
    stored.parent.mkdir(parents=True)
    conv = '{"name": "block5_conv3", "filters": 512, "output_shape": [14, 14, 512], "receptive_field": [196, 196]}'
    stored.write_text(f'{{"name": "vgg16", "input_shape": [224, 224, 3], "conv_layers": [{conv}]}}')
    for layer, k, said in (
        ("block5_conv4", 1, "no conv layer 'block5_conv4'.*block5_conv3"),
        ("block5_conv3", 512, "0..511"),
    ):
        with pytest.raises(InputError, match=said):
            enlarge.write("vgg16", layer, k, 512)
    assert Path("params.yaml").read_text(encoding="utf-8") == TEXT
    enlarge.write("vgg16", "block5_conv3", 511, 512)
    assert config.load().enlarge == {"vgg16": {"block5_conv3": {511: 512}}}
