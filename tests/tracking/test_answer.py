"""A model's run says what it answers, and what was assumed."""

import json
from pathlib import Path

import pytest

from cnnviz.tracking.content import Content, stages


def test_head_is_a_parameter_and_notes_are_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "ARTIFACTS", tmp_path)
    known = dict.fromkeys(("title", "origin", "license", "trained_on", "source", "digest", "input_shape"), "known")
    head = {"kind": "binary", "output": "is_dog", "why": "one sigmoid", "names": ["no", "yes"]}
    about = known | {"preprocessing": {"name": "raw"}, "head": head, "notes": ["computed in float32"]}
    for folder, name, data in (("models", "model", about), ("analysis", "notes", ["maps of a are the same"])):
        (tmp_path / folder / "net").mkdir(parents=True)
        (tmp_path / folder / "net" / f"{name}.json").write_text(json.dumps(data))
    monkeypatch.setattr(stages, "of_stage", lambda stage, model: Content())
    found = stages.of_model("net")
    assert found.params["about.head"] == "binary: is_dog"
    assert found.tags["notes"] == "computed in float32\nmaps of a are the same"
