"""What is no image does not run the pipeline again: DVC itself says so."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cnnviz.images import listing

ROOT = Path(__file__).parents[2]
LEFT = (".DS_Store", "._a.png", "cat/.DS_Store", "cat/.hidden/b.png", "cat/Thumbs.db", "cat/desktop.ini")
LEFT += ("__MACOSX/cat/._a.png", ".Trash/c.png")


def test_dvcignore_names_what_the_listing_leaves_out() -> None:
    lines = (ROOT / ".dvcignore").read_text(encoding="utf-8").splitlines()
    assert set(listing.LEFT) | {"/inputs/**/.*"} <= set(lines)


@pytest.mark.pipeline
def test_what_file_managers_leave_does_not_run_the_stage_again(tmp_path: Path) -> None:
    place = tmp_path / "inputs" / "images" / "mine"
    (place / "cat").mkdir(parents=True)
    (place / "cat" / "a.png").write_bytes(b"an image")
    (tmp_path / ".dvcignore").write_bytes((ROOT / ".dvcignore").read_bytes())
    stage = {"cmd": "echo made > out.txt", "deps": ["inputs/images"], "outs": ["out.txt"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"images": stage}}))

    def dvc(*words: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "dvc", *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return run.stdout

    dvc("init", "-q", "--no-scm")
    dvc("repro", "-q")
    for name in LEFT:
        (place / name).parent.mkdir(exist_ok=True, parents=True)
        (place / name).write_bytes(b"x")
    (place / "empty").mkdir()
    assert "up to date" in dvc("status")
    (place / "cat" / "b.png").write_bytes(b"another")
    assert "inputs/images" in dvc("status")
