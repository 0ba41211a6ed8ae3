"""Files that DVC stops at, and folders that are not there, are named before it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cnnviz.images import faults

ROOT = Path(__file__).parents[2]
ODD = os.fsdecode(b"caf\xe9.png")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("images/mine/cat", "models"):
        (tmp_path / "inputs" / name).mkdir(parents=True)
    (tmp_path / "inputs/images/mine/cat/猫 1.png").write_bytes(b"x")
    (tmp_path / ".dvcignore").write_bytes((ROOT / ".dvcignore").read_bytes())
    return tmp_path


def found(project: Path) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-m", "cnnviz.config"],
        cwd=project,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert run.returncode == (1 if run.stderr else 0)
    return run.stderr.splitlines()


@pytest.mark.pipeline
def test_config_names_them(project: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["images"]["sets"]["mine"] = {"folder": "inputs/images/mine"}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    assert found(project) == []
    params["images"]["sets"]["mine"]["folder"] = "inputs/images/mien"
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (project / "inputs/images/mine" / ODD).write_bytes(b"x")
    assert found(project) == [
        "error: params.yaml: images.sets.mine.folder: no folder inputs/images/mien; nearest: mine",
        r"error: b'inputs/images/mine/caf\xe9.png': a name that is not UTF-8, which DVC can't read; rename it",
    ]


def test_names_in_any_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    folder = project / "inputs/models" / os.fsdecode(b"\xff")
    folder.mkdir()
    assert list(faults([("cifar10", None), ("mine", "inputs/images/mine")])) == []
    (folder / "a.keras").write_bytes(b"x")
    (project / "inputs/images/b.png").symlink_to("nowhere")
    assert list(faults([])) == [
        "inputs/images/b.png: a link to nowhere, which is not there; remove the link",
        r"b'inputs/models/\xff/a.keras': a name that is not UTF-8, which DVC can't read; rename it",
    ]


def test_what_dvc_would_wait_at(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    os.mkfifo("inputs/models/pipe.keras")
    Path("inputs/images/mine/cat/up").symlink_to("..")
    Path("inputs/images/mine/loop.png").symlink_to("loop.png")
    assert list(faults([])) == [
        "inputs/images/mine/loop.png: a link to loop.png, which is not there; remove the link",
        "inputs/images/mine/cat/up: a link to a folder that it lies in, in which DVC would walk for ever; remove it",
        "inputs/models/pipe.keras: a pipe or device, at which DVC would wait for ever; remove it",
    ]


@pytest.mark.pipeline
def test_dvc_stops_at_the_same_names(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    stage = {"cmd": "echo made > out.txt", "deps": ["inputs/images"], "outs": ["out.txt"]}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"images": stage}}))
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], check=True)

    def stopped(*names: str) -> bool:
        for name in names:
            (project / "inputs/images" / name).parent.mkdir(exist_ok=True)
            (project / "inputs/images" / name).write_bytes(b"x")
        return subprocess.run([*dvc, "repro", "-q"], capture_output=True, check=False).returncode != 0

    assert not stopped("." + ODD, "__MACOSX/" + ODD, "猫/1\n.png")
    assert list(faults([])) == []
    assert stopped(os.fsdecode(b"\xff/a.png"))
    assert len(list(faults([]))) == 1
