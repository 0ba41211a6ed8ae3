"""Bad params give one line with path, what was given and what is expected, without TensorFlow."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnnviz.config import params, schema
from cnnviz.errors import InputError
from cnnviz.networks import ModelSection

ROOT = Path(__file__).parents[2]
GOOD = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
GONE = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(GOOD)
    *parents, last = path.split("/")
    section = data
    for part in parents:
        section = section[part]
    if value is GONE:
        del section[last]
    else:
        section[last] = value
    return data


BAD = [
    ("maximise", {}, ["maximise: unknown key", "nearest: maximize"]),
    ("maximize/step", 1, ["maximize.step: unknown key", "nearest: steps"]),
    ("models/vgg16/knwon", "x", ["models.vgg16.knwon: unknown key", "nearest: known"]),
    ("weights/rows", 3, ["weights.rows: unknown key", "filters_shown"]),
    ("fixed_filters/borrowed/modle", "x", ["fixed_filters.borrowed.modle: unknown key", "nearest: model"]),
    ("maximize/steps", 0, ["maximize.steps: given 0", "at least 1"]),
    ("maximize/steps", -5, ["maximize.steps: given -5", "at least 1"]),
    ("maximize/steps", "many", ["maximize.steps: given 'many'", "whole number"]),
    ("maximize/steps", True, ["maximize.steps: given True", "number"]),
    ("maximize/steps", 2.5, ["maximize.steps: given 2.5", "whole number"]),
    ("maximize/size", 0, ["maximize.size: given 0", "expected auto, a whole number from 8 to 2048"]),
    ("maximize/size", -64, ["maximize.size: given -64"]),
    ("maximize/learning_rate", float("nan"), ["maximize.learning_rate: given nan", "finite"]),
    ("maximize/jitter", 0.9, ["maximize.jitter: given 0.9", "less than or equal to 0.5"]),
    ("maximize/objective", "max", ["maximize.objective: given 'max'", "'post_activation'"]),
    ("maximize/start", "imagenet", ["maximize.start: given 'imagenet'", "set/index"]),
    ("maximize/start", "imagnet/3", ["maximize.start: no image set 'imagnet'", "nearest: imagenet"]),
    ("maximize/start", "imagenet/20", ["maximize.start: the set 'imagenet' has 20 images, from 0 on"]),
    ("maximize/precision", "fp8", ["maximize.precision: given 'fp8'", "'bfloat16'"]),
    ("models/vgg16/layers", "all", ["models.vgg16.layers: given 'all'", "expected auto"]),
    ("models/vgg16/layers", {"block1_conv1": [-1]}, ["models.vgg16.layers: given", "block1_conv1: given [-1]"]),
    ("models/vgg16/layers", {"block1_conv1": [3, 3]}, ["different filters"]),
    ("models/vgg16/channels", 0, ["models.vgg16.channels: given 0"]),
    ("models/vgg16/objectives", {"odd": "chanel(x, 1)"}, ["models.vgg16.objectives.odd: "]),
    ("maximize/layers", {"vgg16": 4}, ["maximize.layers: unknown key", "models.<model>.layers"]),
    ("maximize/objectives", {}, ["maximize.objectives: unknown key", "models.<model>.objectives"]),
    ("feature_maps/channels", {"vgg16": 4}, ["feature_maps.channels: unknown key", "models.<model>.channels"]),
    ("analyze/labels", {}, ["analyze.labels: unknown key", "models.<model>.labels"]),
    ("models/vgg16/known", "vgg17", ["models.vgg16.known: unknown model 'vgg17'", "nearest: vgg16"]),
    ("models/a.b", {"known": "vgg16"}, ["models.a.b: ", "expected a folder name"]),
    ("models/..", {"known": "vgg16"}, ["models...: ", "expected a folder name"]),
    ("models/index", {"known": "vgg16"}, ["models.index: ", "the report has a page of this name"]),
    ("models/a b", {"known": "vgg16"}, ["expected a folder name"]),
    ("models/vgg16", {}, ["models.vgg16: expected exactly one of `known`"]),
    ("models/vgg16", {"file": "net.keras"}, ["models.vgg16.file: 'net.keras' is not in inputs/models", "put it there"]),
    ("models/vgg16", {"file": "inputs/models/../x.h5"}, ["models.vgg16.file: 'inputs/models/../x.h5' is not in"]),
    ("models/vgg16", {"file": "net.pkl"}, ["models.vgg16.file: 'net.pkl' is a pickle, which can run code"]),
    ("models/vgg16", {"file": "net.txt"}, ["models.vgg16.file: 'net.txt' is no .keras, .h5 or .hdf5 file"]),
    (
        "models/vgg16",
        {"known": "vgg16", "code": "inputs/models/a.py"},
        ["models.vgg16.code: is for a model of one's own"],
    ),
    (
        "models/vgg16",
        {"file": "inputs/models/a.h5", "input_size": 9, "input_shape": [9, 9]},
        ["input_size: given beside input_shape"],
    ),
    (
        "models/vgg16",
        {"file": "inputs/models/a.h5", "preprocessing": {"rnge": [0, 1]}},
        ["preprocessing: unknown key", "range"],
    ),
    ("models/vgg16", {"application": "ResNet5"}, ["models.vgg16.application: unknown 'ResNet5'", "ResNet50"]),
    ("models/vgg16/sources", ["web"], ["models.vgg16.sources.0: given 'web'"]),
    ("models/vgg16-hed/sources", ["keras"], ["models.vgg16-hed.sources: 'keras' does not have this model"]),
    ("models/vgg16/preprocessing", "caffee", ["models.vgg16.preprocessing: unknown 'caffee'", "nearest: caffe"]),
    ("models/cifar10-cnn/class_names", ["a", "b"], ["models.cifar10-cnn.class_names: 2 given; the network has 10"]),
    ("models", {}, ["models: given {}", "at least 1 item"]),
    (
        "images/sets/cifar10",
        21,
        ["images.sets.cifar10.count: 21 images asked", "has 20", "`source: keras` has 10000"],
    ),
    (
        "images/sets/cifar10",
        {"source": "package", "count": 21},
        ["images.sets.cifar10.count: 21 images asked, `source"],
    ),
    ("images/sets/cifar", 2, ["images.sets.cifar.source: package does not have 'cifar'; nearest: cifar10"]),
    ("images/sets/mnist", {"source": "keras"}, ["images.sets.mnist.source: keras does not have 'mnist'"]),
    ("images/sets/cifar10", {"source": "web"}, ["images.sets.cifar10.source: web does not have 'cifar10'"]),
    ("images/sets/cifar10", {"source": "disk"}, ["images.sets.cifar10.source: given 'disk'", "'web'"]),
    ("images/sets/cifar10", {"sauce": "web"}, ["images.sets.cifar10.sauce: unknown key; nearest: source"]),
    ("images/sets/cifar10", {}, ["images.sets.cifar10: expected either source: package, keras or web, or folder:"]),
    ("images/sets/cifar10", "all", ["images.sets.cifar10: given 'all'; expected a number of images, {source: package"]),
    ("images/sets/cifar10", True, ["images.sets.cifar10: given True; expected a number of images"]),
    ("images/source", "folder", ["images.source: unknown key", "sets: {mine: {folder: "]),
    ("images/sets/cifar10", 0, ["images.sets.cifar10: given 0", "at least 1"]),
    (
        "images/sets/mine",
        {"folder": "/photos"},
        ["images.sets.mine.folder: given '/photos'; expected a folder in inputs"],
    ),
    ("images/sets/mine", {"folder": "inputs/images/../x"}, ["images.sets.mine.folder: given", "expected a folder in"]),
    ("images/sets/mine", {"folder": "inputs/models"}, ["images.sets.mine.folder: given", "expected a folder in"]),
    ("images/sets/mine", {"folder": 3}, ["images.sets.mine.folder: given 3; expected a folder in inputs/images"]),
    (
        "images/sets/mine",
        {"folder": "inputs/images/a", "count": 0},
        ["images.sets.mine.count: given 0; expected a whole"],
    ),
    ("images/sets/mine", {"folder": "inputs/images/a", "source": "web"}, ["images.sets.mine: expected either source"]),
    (
        "images/sets/mine",
        {"folder": "inputs/images/a", "background": "wite"},
        ["mine.background: given 'wite'; expected a"],
    ),
    ("images/sets/cifar10", {"source": "package", "background": "red"}, ["images.sets.cifar10.background: only"]),
    ("feature_maps/images", [20], ["feature_maps.images: 20 is out of range", "0..19"]),
    ("feature_maps/images", [], ["feature_maps.images: given []"]),
    ("fixed_filters/images", 30, ["fixed_filters.images: 30 asked, the set has 20"]),
    ("fixed_filters/set", "cifra10", ["fixed_filters.set: no image set 'cifra10'", "cifar10"]),
    ("fixed_filters/kernels/odd", [[1, 2], [3]], ["fixed_filters.kernels.odd: expected rows of one length"]),
    ("fixed_filters/kernels/even", [[1, 2], [3, 4]], ["fixed_filters.kernels.even: expected an odd number"]),
    ("fixed_filters/kernels/text", [[1, 2, "x"]], ["fixed_filters.kernels.text.0.2: given 'x'"]),
    ("fixed_filters/borrowed/model", "vgg", ["fixed_filters.borrowed.model: no model 'vgg'", "vgg16"]),
    ("analyze/exmaples", 9, ["analyze.exmaples: unknown key", "nearest: examples"]),
    ("analyze/batch", 3, ["analyze.batch: given 3", "at least 4"]),
    ("analyze/patches", "some", ["analyze.patches: given 'some'", "'rendered'"]),
    ("models/vgg16/analyzed_layers", [], ["models.vgg16.analyzed_layers: given []"]),
    ("compare", GONE, ["compare: missing"]),
    ("compare/matches", 0, ["compare.matches: given 0", "at least 1"]),
    ("models/vgg16/random_weights", True, ["models.vgg16.random_weights: given True", "number"]),
    ("models/vgg16/labels", {"imagnet": "same"}, ["models.vgg16.labels.imagnet: no such image set", "imagenet"]),
    ("models/vgg16/labels", {"imagenet": "eq"}, ["models.vgg16.labels.imagenet: given 'eq'", "'same'"]),
    ("models/vgg16/explain", {"imagenet": [-1]}, ["models.vgg16.explain.imagenet.0: given -1", "at least 0"]),
    ("analyze/mistakes", -1, ["analyze.mistakes: given -1"]),
    ("random_seed", None, ["random_seed: given None", "whole number"]),
    ("images", GONE, ["images: missing"]),
]


@pytest.mark.parametrize(("path", "value", "expected"), BAD)
def test_one_line_with_path_and_choices(tmp_path: Path, path: str, value: Any, expected: list[str]) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        params.load(file)
    first = str(raised.value).splitlines()[0]
    assert str(file) in first
    for part in expected:
        assert part in first, first


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    """Of the values by themselves, inside a section, and between sections: in one go, not one after the other."""
    data = changed("maximize/steps", 0)
    data["random_seed"] = "x"
    own = {"file": "inputs/models/net.pkl", "explain": {"imagnet": [1]}}
    data["models"]["own"] = {**own, "objectives": {"a": "b(", "c": "layer(x)"}}
    data["fixed_filters"]["borrowed"]["model"] = "vgg61"
    data["maximize"]["start"] = "imagenet/99"
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        params.load(tmp_path / "p.yaml")
    found = [line.removeprefix(f"{tmp_path}/p.yaml: ").split(":")[0] for line in str(raised.value).splitlines()]
    models = [f"models.own.{key}" for key in ("file", "objectives.a", "explain.imagnet")]
    rest = ["fixed_filters.borrowed.model", "maximize.start"]
    assert sorted(found) == sorted(["maximize.steps", "random_seed", *models, *rest])


def test_the_models_block_is_all_that_names_a_model(tmp_path: Path) -> None:
    """Replacing the models of params.yaml by one's own: two edits, and both are said at once."""
    data = changed("models", {"mine": {"file": "inputs/models/net.keras", "input_size": 32, "preprocessing": "unit"}})
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        params.load(tmp_path / "p.yaml")
    (line,) = str(raised.value).splitlines()
    assert line.endswith("fixed_filters.borrowed.model: no model 'vgg16'; valid: mine; or remove `borrowed`")
    del data["fixed_filters"]["borrowed"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    assert params.load(tmp_path / "p.yaml").models["mine"].layers == "auto"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "not valid YAML"),
        ("just words", "expected sections"),
        ("random_seed: 1\nrandom_seed: 2\n", "'random_seed' is there twice"),
        ("a: &x {b: 1}\nc: *x\n", "line 2: the alias *x; write its value out"),
    ],
)
def test_files_that_are_no_params(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"params\.yaml") as raised:
        params.load(file)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_check_exits_1_without_traceback_or_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed("maximize/steps", 0)), encoding="utf-8")
    code = "import runpy, sys\ntry:\n runpy.run_module('cnnviz.config', run_name='__main__')\nfinally:\n "
    code += "print('tensorflow' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == "False\n"
    assert run.stderr == "error: params.yaml: maximize.steps: given 0; expected at least 1\n"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("random_seed", 3),
        ("images.sets.cifar10", 12),
        ("models.vgg16.layers.block1_conv1", [5]),
        ("models.vgg16-hed.layers.block1_conv1", [5]),
        ("models.cifar10-cnn.objectives.frog", "logit(2)"),
        ("weights.filters_shown", 4),
        ("feature_maps.images", [1]),
        ("fixed_filters.borrowed.layer", "block1_conv2"),
        ("maximize.steps", 64),
        ("analyze.mistakes", 3),
        ("compare.matches", 5),
    ],
)
def test_one_value_of_an_experiment_arrives_and_no_other_changes(tmp_path: Path, path: str, value: Any) -> None:
    """What `dvc exp run -S path=value` does to params.yaml, done by DVC itself."""
    from dvc.utils.hydra import apply_overrides

    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    apply_overrides(file, [f"{path}={value!r}"])
    wanted = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    section = wanted
    for part in parents:
        section = section[part]
    assert section[last] != value
    section[last] = value
    assert yaml.safe_load(file.read_text()) == wanted
    assert params.load(file) == schema.Params.model_validate(wanted)


def test_defaults_name_the_filters_people_know() -> None:
    layers = params.load(ROOT / "params.yaml").models["vgg16"].layers
    assert len(layers) == 13
    assert all(len(filters) == 4 for filters in layers.values())
    for layer, known in (("block2_conv2", 77), ("block3_conv1", 159), ("block3_conv3", 41), ("block4_conv1", 243)):
        assert known in layers[layer]


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs" / "params.md").read_text(encoding="utf-8")
    for section, model in schema.Params.model_fields.items():
        assert f"`{section}" in text
        for key in getattr(model.annotation, "model_fields", {}):
            assert f"`{section}.{key}`" in text, f"{section}.{key}"
    for key in ModelSection.model_fields:
        assert f"`models.<model>.{key}`" in text, key


def test_image_sets_have_their_own_sources_and_say_how_many_images_they_have() -> None:
    sets = {
        "cifar10": 20,
        "imagenet": {"source": "package"},
        "mine": {"folder": "./inputs/images/mine/", "count": "all"},
        "few": {"folder": "inputs/images/few", "count": 3, "background": "#102030"},
        "nette": {"source": "web", "count": 100},
        "c": {"source": "keras", "count": 500},
    }
    data = copy.deepcopy(GOOD)
    data["images"] = {"sets": sets}
    data["feature_maps"]["images"] = [0, 1, 2]
    images = schema.Params.model_validate(data).images
    assert images.counts == {"cifar10": 20, "imagenet": 20, "mine": None, "few": 3, "nette": 100, "c": 500}
    assert images.sets["mine"].folder == "inputs/images/mine"
    assert [images.sets[name].known for name in ("imagenet", "nette", "c")] == ["imagenet", "imagenette", "cifar10"]


def test_all_mistakes_of_the_image_sets_are_reported_together(tmp_path: Path) -> None:
    data = copy.deepcopy(GOOD)
    mine = {"folder": "/x", "count": -1, "background": "wite"}
    data["images"] = {"source": "folder", "folder": "x", "sets": {"cifar10": 21, "mine": mine, "a b": 3}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        params.load(tmp_path / "p.yaml")
    lines = str(raised.value).splitlines()
    for key in ("sets.mine.folder", "sets.mine.count", "sets.mine.background"):
        assert any(f"images.{key}: given" in line for line in lines), key
    for key in ("source: unknown key", "folder: unknown key", "sets.cifar10.count: 21 images asked"):
        assert any(f"images.{key}" in line for line in lines), key
    assert any("images.sets.a b" in line for line in lines)
