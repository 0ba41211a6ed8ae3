"""What the site says of words and causal checks, from files written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz.report.site import causes, words
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import Filter

HEADER = "layer,filter,set,words,auroc,p,corrected,tested,of,images\n"


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Two layers of four filters; the classes are called cat and dog."""
    facts = {"head": {"kind": "classes", "names": ["cat", "dog"]}}
    made = Model(tmp_path, "net", facts, ["s"], notes={"one": {3: "<b>eyes</b>"}})
    for i, name in enumerate(("one", "two")):
        made.layers[name] = Layer(made, {"name": name, "title": name, "filters": 4}, i, rendered={1: 0, 2: 1})
        made.layers[name].status = {1: "ok", 2: "dead"}
    (tmp_path / "analysis/net").mkdir(parents=True)
    (tmp_path / "analysis/net/words.csv").write_text(
        HEADER + "one,1,s,cat or dog,0.97,1e-08,0.0004,40000,20,100\n" + "one,2,s,not dog,0.99,0.01,1,40000,2,20\n"
    )
    return made


STORED: dict[str, Any] = {
    "filters": np.array([1, 2]),
    "earlier": np.array(["one"]),
    "path": np.array([[0.75], [np.nan]]),
    "response": np.array([4, -1]),
    "inputs": np.array([[3.0, -1, 0.5, 0.1], [1, 0, 0, 0]]),
    "later/two": np.array([[[2, 1, 0, 1], [0.5, 1, 0.25, 1.5]], [[0, 0, 0, 0]] * 2]),
    "scores": np.array([[[5, 2], [4, 3.5]], [[1, 1], [1, 1]]]),
    "right": np.array([[8, 6, 7], [8, 8, 8]]),
    "labelled": np.array(10),
}


def test_words_that_are_more_than_chance_are_found(model: Model) -> None:
    read = model.words["one"]
    assert [read[1][0]["sure"], read[2][0]["sure"]] == [True, False]
    assert (read[1][0]["auroc"], read[1][0]["of"], read[1][0]["images"]) == (0.97, 20, 100)
    assert words.searchable(model.layers["one"]) == [[3, "<b>eyes</b>"], [1, "cat or dog"]]
    assert words.searchable(model.layers["two"]) == []


def test_what_depends_on_a_filter(model: Model) -> None:
    found = causes.facts(model.layers["two"], STORED, 1)
    assert found is not None
    assert (found["path"], found["known"], found["unknown"]) == (0.75, 1, "")
    changed = [(one.layer, one.number, line) for one, line in found["later"]]
    assert changed == [("two", 0, "falls by 75%"), ("two", 3, "rises to 1.5 times"), ("two", 2, "rises from 0")]
    assert found["classes"] == [("dog", -1.5), ("cat", 1.0)]
    assert found["accuracy"] == [10, 8, 6, 7]
    assert (found["readers"], found["answers"]) == (["two"], True)
    alone = causes.facts(model.layers["two"], {k: v for k, v in STORED.items() if k not in ("later/two", "scores")}, 1)
    assert alone is not None
    assert (alone["readers"], alone["answers"]) == ([], False)  # nothing was looked at, which is not no change
    assert causes.facts(model.layers["two"], STORED, 3) is None
    assert causes.facts(model.layers["two"], {}, 1) is None


def test_why_a_path_is_unknown(model: Model) -> None:
    layer = model.layers["two"]
    dead = causes.facts(layer, STORED, 2)
    assert dead is not None
    assert (dead["path"], dead["unknown"]) == (None, "no picture drives it")
    first = causes.facts(layer, STORED | {"earlier": np.array([], str), "path": np.zeros((2, 0))}, 1)
    assert first is not None
    assert (first["path"], first["unknown"]) == (None, "there is no layer before it")
    one_of_four = {"earlier": np.array(["one"] * 4), "path": np.array([[0.5] + [np.nan] * 3] * 2)}
    far = causes.facts(layer, STORED | one_of_four, 1)
    assert far is not None
    assert far["path"] is None
    assert "in 1 of 4 earlier layers only" in far["unknown"]
    few = causes.facts(layer, STORED | {"path": np.full((2, 1), np.nan)}, 1)
    assert few is not None
    assert "too few images" in few["unknown"]


def test_connections_have_what_was_measured_beside_the_weights(model: Model) -> None:
    def named(layer: str, k: int) -> Filter:
        return Filter("net", layer, k, f"{layer}/{k}", None, "")

    inputs, outputs = [named("one", 0), named("one", 3)], [named("two", 0), named("two", 1)]
    lines, agreed = causes.connections(model.layers["two"], STORED, 1, inputs, outputs)
    assert lines == {"one/0": "gives +75%", "one/3": "gives +2%", "two/0": "falls by 75%", "two/1": "stays"}
    assert agreed == (1, 2)  # 0 and 1 give most, 0 and 3 are said to be strongest
    lines, _ = causes.connections(model.layers["two"], STORED, 2, inputs, [])
    assert lines == {"one/0": "gives +1", "one/3": "gives +0"}  # no share of a response below 0
    assert causes.connections(model.layers["two"], STORED, 3, inputs, outputs) == ({}, None)


def test_decided_is_said_where_the_answer_changes() -> None:
    one: dict[str, Any] = {
        "predicted_class": "cat",
        "filters": [{}] * 6,
        "contributions": {"sum": 4.0, "difference": 3.0},
        "silenced": {"predicted": 3.5, "measured": 3.25, "random": 0.5, "then": "dog"},
    }
    found = causes.decided(one)
    assert found is not None
    assert (found["changes"], found["count"], found["lead"]) == (True, 6, 3.0)
    one["silenced"]["then"] = "cat"
    assert causes.decided(one)["changes"] is False  # type: ignore[index]
    one["silenced"]["then"] = None  # a value has no class
    assert causes.decided(one)["changes"] is False  # type: ignore[index]
    assert causes.decided({key: value for key, value in one.items() if key != "silenced"}) is None
