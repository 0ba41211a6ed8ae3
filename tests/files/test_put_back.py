"""A stage that fails, with DVC or without, leaves in its outputs what it had made before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGE = """
from pathlib import Path
from cnnviz.errors import InputError
from cnnviz.files import fresh, stage

with stage("made@a"):
    said = Path("params.yaml").read_text()
    folder = fresh(Path("artifacts/made/a"))
    (folder / "half.txt").write_text(said)
    if "wrong" in said:
        raise InputError("params.yaml: word: wrong")
    if "odd" in said:
        raise ZeroDivisionError
    (folder / "whole.txt").write_text(said)
"""
DVC_YAML = """
stages:
  made:
    foreach: [a]
    do:
      cmd: python stage.py
      params: [word]
      outs: ["artifacts/made/${item}"]
"""


@pytest.mark.pipeline
def test_what_was_there_before_is_there_again(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("DVC")}
    env |= {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def dvc(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    def made(word: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "params.yaml").write_text(f"word: {word}\n")
        return dvc("repro")

    assert dvc("init", "-q", "--no-scm").returncode == 0
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    folder = tmp_path / "artifacts/made/a"
    assert made("wrong").returncode != 0  # for the first time: there is nothing to be brought back
    assert not (folder / "whole.txt").exists()
    assert made("good").returncode == 0
    lock = (tmp_path / "dvc.lock").read_bytes()
    for word, bare in (("wrong", False), ("odd", False), ("wrong", True), ("odd", True)):
        if bare:
            (tmp_path / "params.yaml").write_text(f"word: {word}\n")
            failed = subprocess.run([sys.executable, "stage.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
        else:
            failed = made(word)
        assert failed.returncode != 0
        assert ("error: params.yaml: word: wrong\n" in failed.stderr) == (word == "wrong")
        assert {file.name: file.read_text() for file in folder.iterdir()} == {
            "half.txt": "word: good\n",
            "whole.txt": "word: good\n",
        }
        assert (tmp_path / "dvc.lock").read_bytes() == lock
    again = made("good")
    assert "didn't change" in again.stdout + again.stderr
