"""Bad params give one line with path, what was given and what is expected, without TensorFlow."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnnviz.config import params, reading, schema
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
    ("models/vgg16/layers", "every", ["models.vgg16.layers: given 'every'", "expected auto, all, a number"]),
    ("models/vgg16/layers", {"block1_conv1": "auto"}, ["block1_conv1: given 'auto'; expected all, a number"]),
    ("models/vgg16/channels", "all", ["models.vgg16.channels: given 'all'; `all` is for layers"]),
    ("models/vgg16/channels", {"block1_conv1": "all"}, ["models.vgg16.channels: given", "`all` is for layers"]),
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
    ("models/index", {"known": "vgg16"}, ["models.index: ", "the report has files of this name"]),
    ("models/a b", {"known": "vgg16"}, ["expected a folder name"]),
    ("models", {1: {"known": "vgg16"}}, ["models.1: ", "expected a name, which a number is in quotes: '1'"]),
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
    ("models", {}, ["models: given {}", "expected at least 1"]),
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
    ("analyze/altered/transforms/shif", [0.1], ["analyze.altered.transforms: ", "no transform 'shif'; nearest: shift"]),
    ("analyze/altered/transforms/blur", [0.2, 0.1], ["blur: given [0.2, 0.1]; expected a list of up to 20 rising"]),
    ("analyze/altered/transforms/blur", [0], ["blur: given [0]; expected", "above 0, at most 1"]),
    ("analyze/altered/transforms/blur", [], ["blur: given []; expected"]),
    ("analyze/altered/transforms", 3, ["analyze.altered.transforms: given 3; expected names of transforms"]),
    ("analyze/altered/image", 3, ["analyze.altered.image: unknown key", "nearest: images"]),
    ("models/vgg16/random_weights", 2**32, ["models.vgg16.random_weights: given 4294967296", "less than 4294967296"]),
    ("random_seed", 2**32, ["random_seed: given 4294967296", "less than 4294967296"]),
    ("models/vgg16/layers", {7: 4}, ["models.vgg16.layers: given {7: 4}; the layer 7 is no text; put its name in"]),
    (
        "models/vgg16/layers",
        {"a": 2**31},
        ["models.vgg16.layers: given", "a: given 2147483648; expected all, a number"],
    ),
    ("fixed_filters/borrowed/filters", [1, 1], ["fixed_filters.borrowed.filters: given [1, 1]; expected different"]),
    ("maximize/steps", 10**9, ["maximize.steps: given 1000000000", "less than or equal to 100000"]),
    ("maximize/stability_steps", 10**6, ["maximize.stability_steps: given 1000000", "less than or equal to 100000"]),
    ("models/compare", {"known": "vgg16"}, ["models.compare: the report has files of this name"]),
    ("models/Assets", {"known": "vgg16"}, ["models.Assets: the report has files of this name"]),
    ("models/VGG16", {"known": "vgg16"}, ["models: VGG16, vgg16: upper and lower case is not told apart"]),
    ("images/sets/examples", {"folder": "inputs/images/a"}, ["images.sets.examples: the analysis has files of"]),
    ("fixed_filters/gabor/gabor_45/sigma", 1e-320, ["fixed_filters.gabor.gabor_45.sigma: given 1e-320", "0.01"]),
    ("fixed_filters/gabor/gabor_45/sigma", 1e200, ["fixed_filters.gabor.gabor_45.sigma: given 1e+200", "1000000"]),
    ("fixed_filters/gabor/gabor_45/wavelength", 1e-320, ["gabor_45.wavelength: given 1e-320", "at least 0.01"]),
    ("fixed_filters/kernels/large", [[1e308]], ["fixed_filters.kernels.large.0.0: given 1e+308", "1000000"]),
    ("fixed_filters/kernels/wide", [[0] * 65], ["fixed_filters.kernels.wide: expected 63 rows and columns at most"]),
    ("models/vgg16/objectives/a", "1e400 * channel(x, 1)", ["models.vgg16.objectives.a: '1e400 * ", "a weight beyond"]),
    ("models/vgg16/objectives/a", "1e39 * channel(x, 1)", ["models.vgg16.objectives.a: '1e39 * ", "a weight beyond"]),
    ("models/vgg16/objectives/a", f"1{'0' * 400} * 1.5 * logit(1)", ["models.vgg16.objectives.a: '1000", "too large"]),
    (
        "models/vgg16/preprocessing",
        {"mean": 0.5, "std": 1e-320},
        ["models.vgg16.preprocessing: ", "would become x * inf"],
    ),
    ("models/vgg16/preprocessing", {"mean": 10**400, "std": 1}, ["models.vgg16.preprocessing: mean: ", "expected 3"]),
    ("models/vgg16/preprocessing", {1: 2, "a": 3}, ["models.vgg16.preprocessing: given {1: 2, 'a': 3}; expected a"]),
    ("models/vgg16/preprocessing", {"name": ["a"]}, ["models.vgg16.preprocessing: unknown ['a']"]),
    (
        "models/vgg16",
        {"file": "inputs/models/a.h5", "inputs": {"x": [1, None]}},
        ["models.vgg16.inputs", "None: expected"],
    ),
    (
        "models/vgg16",
        {"file": "inputs/models/a.h5", "inputs": {"x": [[1e39]]}},
        ["models.vgg16.inputs", "1e+39: expected"],
    ),
    ("models/vgg16", {"file": f"inputs/models/{'n' * 300}.h5"}, ["models.vgg16.file: ", "a name of over 255 bytes"]),
    (
        "models/vgg16",
        {"file": f"inputs/models/{'a/' * 3000}n.h5"},
        ["models.vgg16.file: ", "path of over 1000 bytes"],
    ),
    ("images/sets/mine", {"folder": f"inputs/images/{'ä' * 200}"}, ["images.sets.mine.folder: ", "a name of over 255"]),
    ("models", {True: {"known": "vgg16"}}, ["models.true: ", "put true, false, yes, no, on and off in quotes"]),
    ("models/vgg16", 3, ["models.vgg16: given 3; expected a section: keys with their values"]),
    ("models", [1], ["models: given [1]; expected a section: names with what they stand for"]),
    ("models/vgg16/input_shape", [8], ["models.vgg16.input_shape: given [8]; expected at least 2"]),
    ("models/vgg16", {"file": "inputs/models/a\0.h5"}, ["models.vgg16.file: 'inputs/models/a\\x00.h5' is not in"]),
    ("images/sets/mine", {"folder": "inputs/images/a\0"}, ["images.sets.mine.folder: given", "expected a folder in"]),
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


@pytest.mark.pipeline
def test_a_value_is_quoted_with_80_characters_at_most(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    for path, value in (
        ("maximize/steps", "x" * 5000),
        ("maximize/size", list(range(5000))),
        ("models/vgg16/layers", {"x" * 5000: "y" * 5000}),
        ("models/vgg16/objectives", {"a": "channel(" + "x" * 1500 + ") +"}),
        ("models/vgg16/objectives", {"a": "x" * 5000}),
        ("models/vgg16/preprocessing", {"x" * 5000: 1}),
        ("models/vgg16/known", "x" * 5000),
        ("models/vgg16/file", "x" * 5000),
        ("maximize/" + "x" * 5000, 1),
        ("maximize/a\nb", 1),
    ):
        file.write_text(yaml.safe_dump(changed(path, value)), encoding="utf-8")
        with pytest.raises(InputError) as raised:
            params.load(file)
        for line in str(raised.value).splitlines():
            assert line.startswith(f"{file}: m")
            assert "x" * 81 not in line
            assert len(line) < len(str(file)) + 400, line


def test_two_outputs_of_one_name_are_refused(tmp_path: Path) -> None:
    data = changed("models", {key: {"known": "vgg16"} for key in ("a--b", "c", "a", "b--c", "x", "y", "y_rendered")})
    data["images"]["sets"] |= {key: {"folder": "inputs/images/x"} for key in ("u", "v", "u_v", "v_w", "w")}
    data["models"]["a"]["objectives"] = {"Dream": "layer(x)", "dream": "layer(x)"}
    del data["fixed_filters"]["borrowed"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        params.load(tmp_path / "p.yaml")
    found = {
        line.partition("p.yaml: ")[2].partition(": upper")[0].partition(": files")[0]
        for line in str(raised.value).splitlines()
    }
    assert found == {
        "models.a.objectives: Dream, dream",
        "models: a and b--c, a--b and c",
        "models.y_rendered",
        "images.sets: u and v_w, u_v and w",
    }


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
        ("a: !!int x\n", "line 1: the tag 'tag:yaml.org,2002:int'; write the value without it"),
        ('a: !!float ""\n', "line 1: the tag"),
        ("a: !!python/name:os.system x\n", "line 1: the tag"),
        (
            "a: 2001-13-45\n",
            "line 1: '2001-13-45' can't be read (month must be in 1..12); if it is text, put it in quotes",
        ),
        ("a: 2001-01-02\n", "a: given a date; expected a number or text, text in quotes"),
        (f"a: {'1' * 5000}\n", "can't be read (Exceeds the limit (4300"),
        (f"a: {'[' * 5000}\n", "line 1: over 16 sections and lists in one another"),
        (f"a: {'{b: ' * 20}\n", "line 1: over 16 sections and lists in one another"),
        ("a:\n  b: 010\n", "a.b: 8 by YAML 1.1, 10 by 1.2, which DVC reads; write it so that both agree: numbers as"),
        ("a: [1, 1:30]\n", "a.1: 90 by YAML 1.1, '1:30' by 1.2"),
        ("a: {on: 1}\n", "a: a key: True by YAML 1.1, 'on' by 1.2"),
        ("a: [yes]\n", "a.0: True by YAML 1.1, 'yes' by 1.2"),
        ("a: 0o17\n", "a: '0o17' by YAML 1.1, 15 by 1.2"),
        ("1: 2\n", "the key 1; expected a section such as"),
        ("? [a]\n: 2\n", "line 1: a key that is no name"),
        ("a: 1\n---\nb: 2\n", "expected a single document"),
        ("a: 1\nb: \0", "line 2: the character U+0000, which YAML does not take; remove it"),
        (
            "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n",
            "line 1 is the mark of a merge conflict; leave the lines",
        ),
        ("a: 1\n=======\na: 2\n", "line 2 is the mark of a merge conflict"),
        ('a: {b: ["\\uD800"]}\n', r"a.b.0: given '\ud800'; half of a character, which no file can hold"),
        ('a: {"\\uDFFF": 1}\n', r"a: a key: given '\udfff'; half of a character"),
        ("#" * 1_000_001, "over 1 MB"),
    ],
)
def test_files_that_are_no_params(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"params\.yaml") as raised:
        params.load(file)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"a: \xe9")
    expected = {"folder": "a folder; expected a file", "loop": "can't be read (Too many levels of symbolic links)"}
    expected |= {
        "pipe": "a pipe or device; expected a file",
        "latin": "at byte 3; save it as UTF-8",
        "none": "not found",
    }
    for name, words in expected.items():
        with pytest.raises(InputError) as raised:
            params.load(tmp_path / name)
        assert str(raised.value).startswith(f"{tmp_path / name}: ")
        assert words in str(raised.value)


def test_dvc_reads_the_same_values(tmp_path: Path) -> None:
    """Numbers as DVC writes them (1e-05) are numbers; all else is what DVC's own reader makes of it."""
    from dvc.utils.serialize import parse_yaml

    text = (ROOT / "params.yaml").read_text(encoding="utf-8") + "a: [1e-05, -.5, 1.0e3, 1_000, 0x1F, y, ~]\n"
    assert reading.parse(text, "params.yaml") == parse_yaml(text, "params.yaml")
    assert reading.parse(text, "params.yaml")["a"] == [1e-5, -0.5, 1000.0, 1000, 31, "y", None]


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


@pytest.mark.pipeline
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
        ("maximize.steps", 100),
        ("analyze.mistakes", 3),
        ("compare.matches", 5),
    ],
)
@pytest.mark.pipeline
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
