"""Against what dvc.lock describes, with DVC for real: the working folder, the commit, the cache."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.verify import clones
from tests.verify.conftest import Verify

pytestmark = pytest.mark.pipeline

MAPS = "artifacts/feature_maps/small/photos/colours.npz"


def sh(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def commit() -> None:
    sh("git", "add", "-A")
    sh("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "state")


def repro(steps: int = 8) -> None:
    Path("params.yaml").write_text(f"maximize: {{steps: {steps}}}\n")
    sh(sys.executable, "-m", "dvc", "repro")


@pytest.fixture
def project(here: Path) -> Path:
    """The clone as a DVC project whose only stage copies what it finds in made/."""
    (here / "artifacts").rename(here / "made")
    (here / "dvc.lock").unlink()
    outs = [f"artifacts/{out}" for out in clones.OUTS]
    stage = {"cmd": "cp -r made artifacts.new && cp -r artifacts.new/. artifacts && rm -r artifacts.new"}
    stage = {**stage, "deps": ["made"], "params": ["maximize.steps"], "outs": outs}
    (here / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"all": stage}}))
    (here / ".gitignore").write_text("/artifacts/\n")
    sh("git", "init", "-q")
    sh(sys.executable, "-m", "dvc", "init", "-q")
    (here / "artifacts").mkdir()
    repro()
    commit()
    return here


def test_a_dvc_lock(project: Path, verify: Verify) -> None:
    status, lines = verify()
    assert status == 0
    assert lines[1].startswith("there: dvc.lock of HEAD (")
    assert lines[-1] == "reproduced: the same bytes (6 outputs)"
    # the files count, not what the working dvc.lock says of them
    clones.change(project / MAPS, activations=lambda maps: maps * 2)
    assert verify()[0] == 1
    repro()

    def spot(maps: np.ndarray) -> np.ndarray:
        maps[1, 3, 3, 1] = 0.5
        return maps

    clones.change(project / "made" / Path(MAPS).relative_to("artifacts"), activations=spot)
    repro(steps=9)
    status, lines = verify()  # the working dvc.lock is overwritten, the commit is not
    assert status == 1
    assert "maximize.steps: 9 here, 8 there" in lines
    assert "other bytes: feature_maps/small" in lines
    assert "feature maps 0.063 of a layer's largest value (small colours)" in lines[-1]  # 0.5 of 8, from DVC's cache
    assert verify("dvc.lock")[0] == 0
    commit()
    assert verify()[0] == 0
    assert verify("HEAD~1") == (status, [line.replace("of HEAD (", "of HEAD~1 (") for line in lines])
    shutil.rmtree(".dvc/cache")
    status, lines = verify("HEAD~1")
    assert status == 1
    said = "feature_maps/small: how far apart is unknown: its files are not here; give another clone"
    assert said in lines
    assert lines[-1] == "not the same bytes: 1 of 6 outputs; how far apart is unknown"
