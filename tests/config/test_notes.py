"""inputs/notes.yaml: what is taken, and one line for each mistake."""

import json
from pathlib import Path
from typing import Any

import pytest

from cnnviz.config import notes, schema
from cnnviz.errors import InputError
from tests.config.test_known import Complaints, said  # noqa: F401
from tests.config.test_params import GOOD, ROOT

STORED = {
    "conv_layers": [
        {"name": "block1_conv1", "filters": 64},
        {"name": "conv_1", "title": "conv/1", "filters": 8},
    ]
}


@pytest.fixture
def params() -> schema.Params:
    return schema.Params.model_validate(GOOD)


def write(folder: Path, text: str) -> Path:
    path = folder / "notes.yaml"
    path.write_text(text, encoding="utf-8")
    stored = folder / "models/vgg16/model.json"
    stored.parent.mkdir(parents=True)
    stored.write_text(json.dumps(STORED))
    return path


def read(folder: Path, text: str, params: Any) -> notes.Notes:
    return notes.read_notes(params, folder, write(folder, text))


def test_notes_by_model_layer_and_filter(tmp_path: Path, params: schema.Params) -> None:
    text = 'vgg16:\n  block1_conv1: {0: Kanten, 63: "7"}\n  conv/1:\n    7: |\n      two\n      lines\n'
    text += "cifar10-cnn: {x: {1: é}}\n"
    found = read(tmp_path, text, params)
    assert found == {
        "vgg16": {"block1_conv1": {0: "Kanten", 63: "7"}, "conv_1": {7: "two\nlines\n"}},
        "cifar10-cnn": {"x": {1: "é"}},  # its layers aren't known before its model is stored
    }


@pytest.mark.parametrize("text", ["", "# nothing but words\n", notes.EMPTY])
def test_no_notes(text: str, tmp_path: Path, params: schema.Params) -> None:
    assert read(tmp_path, text, params) == {}


def test_a_file_that_is_not_there_has_no_notes_and_is_made_again(tmp_path: Path, params: schema.Params) -> None:
    path = tmp_path / "inputs" / "notes.yaml"
    assert notes.read_notes(params, tmp_path, path) == {}
    notes.keep(path)
    assert path.read_text() == notes.EMPTY
    path.write_text("vgg16: {}\n")
    notes.keep(path)
    assert path.read_text() == "vgg16: {}\n"


def test_the_file_in_git_is_the_one_that_is_made_and_its_example_holds(tmp_path: Path, params: schema.Params) -> None:
    assert (ROOT / notes.PATH).read_text(encoding="utf-8") == notes.EMPTY
    example = "\n".join(line.removeprefix("# ") for line in notes.EMPTY.splitlines()[1:])
    path = tmp_path / "notes.yaml"
    path.write_text(example)
    assert notes.parsed(params, path) == {"vgg16": {"block5_conv3": {10: "eyes of birds, also round buttons"}}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("vgg61: {block1_conv1: {0: a}}", "vgg61: params.yaml has no such model; nearest: vgg16"),
        ("vgg16: a text", "vgg16: given 'a text'; expected layers with filters"),
        ("vgg16: {block1_conv1: [a]}", "vgg16.block1_conv1: given ['a']; expected filters with a text each"),
        ("vgg16: {block1_conv1: {first: a}}", "vgg16.block1_conv1: given 'first'; expected the number of a filter"),
        ("vgg16: {block1_conv1: {-1: a}}", "vgg16.block1_conv1: given -1; expected the number of a filter"),
        ("vgg16: {block1_conv1: {true: a}}", "vgg16.block1_conv1: given True; expected the number of a filter"),
        ("vgg16: {block1_conv1: {0: 7}}", "vgg16.block1_conv1.0: given 7; expected a text"),
        ("vgg16: {block1_conv1: {0: ' '}}", "vgg16.block1_conv1.0: given ' '; expected a text"),
        (
            f"vgg16: {{block1_conv1: {{0: {'a' * 2001}}}}}",
            "vgg16.block1_conv1.0: 2001 characters; expected 2000 at most",
        ),
        ("vgg16: {block1_conv9: {0: a}}", "vgg16.block1_conv9: no such conv layer; nearest: block1_conv1"),
        ("vgg16: {block1_conv1: {64: a}}", "vgg16.block1_conv1.64: no such filter; there are 0..63"),
        ("vgg16: {block1_conv1: {1: a, 1: b}}", "not valid YAML: line 1: the key 1 is there twice"),
        ("vgg16: {block1_conv1: {010: a}}", "by YAML 1.1, 10 by 1.2"),
        ("- a list", "expected sections such as"),
        ("vgg16: [", "not valid YAML: line 1"),
        (
            r'vgg16: {block1_conv1: {0: "half a \ud83d sign"}}',
            "half of a character, which no file can hold; write it whole",
        ),
        (r'vgg16: {block1_conv1: {0: "a \0 byte"}}', "expected a text without control characters"),
        (r'vgg16: {block1_conv1: {0: "a \x9b code"}}', "expected a text without control characters"),
        (r'vgg16: {block1_conv1: {0: "turned \u202e round"}}', "expected a text without control characters"),
        (r'vgg16: {"a\nb": 7}', r"vgg16.'a\nb': given 7; expected filters"),
        (r'vgg16: {"a\nb": {1: x}}', r"vgg16.'a\nb': no such conv layer; "),
        (r'"a\nb": {}', r"'a\nb': params.yaml has no such model"),
    ],
)
def test_mistakes_in_one_line(text: str, line: str, tmp_path: Path, params: schema.Params) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, params)
    assert line in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'notes.yaml'}: ")
    assert "\n" not in str(caught.value)


def test_each_mistake_has_its_line(tmp_path: Path, params: schema.Params) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, "vgg16: {block1_conv1: {64: a, 65: b}, none: {0: a}}", params)
    assert len(str(caught.value).splitlines()) == 3


def test_make_repro_says_it_first(said: Complaints) -> None:  # noqa: F811
    """Of models that are stored the layers, too."""
    notes.PATH.write_text("net: {frist: {0: a}, first: {0: fine}}\n")
    assert said({}) == ["inputs/notes.yaml: net.frist: no such conv layer; nearest: first"]
    notes.PATH.write_text("ten: {}\n")
    assert said({}) == ["inputs/notes.yaml: ten: params.yaml has no such model; valid: net"]
    notes.PATH.write_text("net: {first: {0: fine}}\n")
    assert said({}) == []
