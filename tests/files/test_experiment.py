"""Own models and images that Git does not track, in an experiment that DVC runs in a temporary folder."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from cnnviz.pictures import png_bytes
from tests import plain_yaml
from tests.small_project import ROOT, Project

LOST = "not in the folder of this experiment, since Git does not track it; run it without --queue and --temp, or with "


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A model and a folder of images of one's own, which nobody gave to Git."""
    here = Project(tmp_path / "p")
    (here.folder / "inputs/models").mkdir(parents=True)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    mine = {"file": "inputs/models/mine.keras", "preprocessing": "raw", "input_size": 8}
    params |= {"models": {"mine": mine}, "images": {"sets": {"mine": {"folder": "inputs/images/mine"}}}}
    params["fixed_filters"] |= {"set": "mine", "borrowed": {"model": "mine", "layer": "conv", "filters": [0]}}
    (here.folder / "params.yaml").write_text(plain_yaml.dump(params))
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name in ("images", "models"):
        part = stages[name].get("do", stages[name])
        part["deps"] = [dep for dep in part["deps"] if dep.startswith("inputs/")]
    kept = {name: stages[name] for name in ("images", "models")}
    (here.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}))
    (here.folder / ".gitignore").write_text("/.cache/\n/artifacts/\n")
    (here.folder / "inputs/models/mine.keras").write_bytes(b"a model")
    for label in ("cat", "dog"):
        (here.folder / "inputs/images/mine" / label).mkdir(parents=True)
        (here.folder / f"inputs/images/mine/{label}/1.png").write_bytes(png_bytes(np.zeros((9, 9, 3), np.uint8)))
    here.run("git", "init", "-q")
    here.dvc("init", "-q")
    (here.folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    for folder in ("images", "models"):  # as in the project, Git tracks the folders
        (here.folder / f"inputs/{folder}/README.md").touch()
    here.run("git", "add", ".gitignore", "params.yaml", "dvc.yaml", ".dvc", "inputs/*/README.md")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    assert here.run("git", *who, "commit", "-qm", "start").returncode == 0
    return here


def line(project: Project, *words: str) -> str:
    """The error of an experiment in a temporary folder; empty where it succeeds."""
    done = project.begin("dvc", "exp", "run", "--temp", *words).wait()
    assert "Traceback" not in done.stderr
    errors = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert bool(done.returncode) == bool(errors), done.stderr
    return "\n".join(errors)


@pytest.mark.pipeline
def test_what_git_does_not_track_is_said_and_each_remedy_helps(project: Project) -> None:
    start = "error: params.yaml: images.sets.mine.folder: inputs/images/mine/"
    assert line(project, "images").startswith(f"{start}cat/1.png and 1 more files: {LOST}")
    project.run("git", "add", "inputs/images/mine/cat")  # a part of the images would be another set
    assert line(project, "images").startswith(f"{start}dog/1.png: {LOST}")
    project.run("git", "rm", "-rq", "--cached", "inputs/images/mine")
    assert line(project, "images", "--copy-paths", "inputs/images/mine") == ""
    project.run("git", "add", "inputs/images/mine")
    assert line(project, "images") == ""
    said = line(project, "models@mine")
    assert said.startswith(f"error: params.yaml: models.mine.file: inputs/models/mine.keras: {LOST}")
    assert said.endswith("--copy-paths inputs/models/mine.keras, or track it: git add inputs/models/mine.keras")
