"""What can't be compared: one line on stderr, status 2, no traceback."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cnnviz.files import npz
from tests.verify import clones
from tests.verify.conftest import Verify

MAPS = "artifacts/feature_maps/small/photos/colours.npz"
FILTERS = "artifacts/maximize/small/colours.npz"


def fails(verify: Verify, *words: object) -> str:
    status, lines = verify(*words)
    assert status == 2
    *said, line = lines
    assert all(one.startswith("verify small: ") for one in said), lines  # what was begun
    return line


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def pickled(path: Path) -> None:
    np.savez(path, **{**npz.read(path), "activations": np.array([{}], object)})


def text(path: Path) -> None:
    path.write_text("no archive")


def of_another_kind(path: Path) -> None:
    clones.change(path, activations=np.array(["a"]))


def without_channels(path: Path) -> None:
    kept = npz.read(path)
    del kept["channels"]
    clones.store(path, **kept)


def twice(path: Path) -> None:
    clones.change(path, channels=np.array([0, 0, 1]))


def short(path: Path) -> None:
    clones.change(path, channels=np.array([0, 1]))


def of_another_size(path: Path) -> None:
    clones.change(path, activations=np.zeros((2, 5, 5, 3), np.float32))


DAMAGES = [cut, pickled, text, of_another_kind, without_channels, twice, short, of_another_size]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_feature_maps(here: Path, there: Path, verify: Verify, damage: object) -> None:
    damage(there / MAPS)  # type: ignore[operator]
    assert fails(verify, there).startswith(f"error: {there / MAPS}: ")


def test_damaged_pictures(here: Path, there: Path, verify: Verify) -> None:
    clones.change(there / FILTERS, status=np.array(["ok"]))
    assert f"{there / FILTERS}: damaged" in fails(verify, there)


@pytest.mark.parametrize("name", ["images/images.json", "models/small/model.json", "maximize/small/settings.json"])
@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_damaged_json(here: Path, there: Path, verify: Verify, name: str, content: str) -> None:
    (there / "artifacts" / name).write_text(content)
    assert f"{there / 'artifacts' / name}: damaged" in fails(verify, there)


def test_nothing_there(here: Path, tmp_path: Path, verify: Verify) -> None:
    expected = "expected another clone, its artifacts, a dvc.lock, or a commit of this repository that has one"
    for given in (["nowhere"], ["../nowhere"], ["--", "--output=x"], ["\0"]):
        assert fails(verify, *given).endswith(expected)
    (tmp_path / "empty").mkdir()
    assert "no artifacts in it" in fails(verify, tmp_path / "empty")
    assert "that is this folder" in fails(verify, here)
    assert "that is this folder" in fails(verify, "artifacts")


@pytest.mark.parametrize("content", ["", "{", "stages: 3", "stages: {a: 3}", "stages: {a: {outs: [{md5: 1}]}}", "\x00"])
def test_no_dvc_lock(here: Path, verify: Verify, content: str) -> None:
    (here / "other.lock").write_text(content)
    assert fails(verify, "other.lock") == "error: other.lock: expected a dvc.lock with finished stages; found none"


def test_not_in_a_project(tmp_path: Path, there: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert "run this in the project's folder" in fails(verify, there)


def test_outputs_that_are_not_here(here: Path, there: Path, verify: Verify) -> None:
    (here / "artifacts").rename(here / "away")
    assert "nothing is here to compare" in fails(verify, there)


def test_a_link_does_not_lead_out_of_the_folder(here: Path, there: Path, tmp_path: Path, verify: Verify) -> None:
    secret = tmp_path / "secret.npz"
    (there / MAPS).rename(secret)
    (there / MAPS).symlink_to(secret)
    assert "a link that leads out of the folder" in fails(verify, there)
    (there / "kept.npz").write_bytes(secret.read_bytes())
    (there / MAPS).unlink()
    (there / MAPS).symlink_to(there / "kept.npz")  # as DVC links files to its cache
    assert verify(there)[0] == 0


def test_what_is_no_file_is_not_waited_for(here: Path, there: Path, verify: Verify) -> None:
    for make in (os.mkfifo, lambda path: path.symlink_to(path.name)):
        (there / MAPS).unlink()
        make(there / MAPS)
        assert fails(verify, there) == f"error: {there / MAPS}: a pipe or device, or a link to nothing; expected a file"


def test_paths_of_a_lock_do_not_lead_out_of_artifacts(here: Path, there: Path, verify: Verify) -> None:
    lock = (there / "dvc.lock").read_text()
    (there / "dvc.lock").write_text(lock.replace("artifacts/report", "artifacts/../../here"))
    status, lines = verify(there)
    assert status == 0
    assert not any("only there" in line for line in lines)


def test_a_folder_without_dvc_says_so(here: Path, verify: Verify) -> None:
    subprocess.run(["git", "init", "-q"], cwd=here, check=True)
    assert fails(verify, "dvc.lock").startswith("error: DVC: ")
