"""Only outputs of models that left params.yaml, and that DVC knows, are removed."""

from pathlib import Path

import pytest
import yaml

from cnnviz.config import prune


def test_removes_what_dvc_knows_and_params_no_longer_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("models/kept", "models/gone", "weights/gone", "maximize/by-hand", "images/gone"):
        (tmp_path / "artifacts" / path).mkdir(parents=True)
    outs = {
        f"{kind}@{key}": {"outs": [{"path": f"artifacts/{kind}/{key}"}]}
        for kind in prune.KINDS
        for key in ("kept", "gone")
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": outs}))
    assert [p.as_posix() for p in prune.prune({"kept"})] == ["artifacts/models/gone", "artifacts/weights/gone"]
    left = {p.relative_to(tmp_path / "artifacts").as_posix() for p in (tmp_path / "artifacts").glob("*/*")}
    assert left == {"models/kept", "maximize/by-hand", "images/gone"}


def test_nothing_to_do_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifacts/models/gone").mkdir(parents=True)
    assert prune.prune(set()) == []
