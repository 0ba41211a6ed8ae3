"""A disk that flips a bit in DVC's cache: the result is made again, not taken from there."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnviz.repro import pipeline

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore")]  # DVC's own code warns of what it uses
OBJECTS = Path(".dvc/cache/files/md5")
DVC_YAML = """
stages:
  made:
    cmd: mkdir -p folder && cp word folder/word && echo other > folder/other && cp word single && echo ran >> log
    deps: [word]
    outs: [folder, single]
"""


def digest(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module", name="made")
def made_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "word").write_text("first\n")
    for words in (["init", "-q", "--no-scm"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often its stage has run so far; the working folder is a copy of it."""
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return lambda: len(Path("log").read_text().splitlines())


def flip(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Other bytes under the same name, time and mode."""
    seen = path.stat()
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))
    path.chmod(seen.st_mode)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def remove() -> None:
    shutil.rmtree("folder")
    Path("single").unlink()


def whole(word: str) -> bool:
    """Whether outputs are what the stage makes, and all objects what their names say."""
    contents = {path.name: path.read_text() for path in [*Path("folder").iterdir(), Path("single")]}
    assert contents == {"word": word, "other": "other\n", "single": word}
    for path in OBJECTS.glob("*/*"):
        assert digest(path.read_bytes()) == f"{path.parent.name}{path.name}".removesuffix(".dir")
    return True


def objects(of: str) -> Path:
    if of == "list":
        return next(OBJECTS.glob("*/*.dir"))
    name = digest(b"other\n" if of == "file in a folder" else b"first\n")
    return OBJECTS / name[:2] / name[2:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "file": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "file in a folder": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "list": lambda data: data.replace(b'"other"', b'"othes"'),
    "list, no longer one": lambda data: data[:-1],
}


@pytest.mark.parametrize("of", DAMAGES)
@pytest.mark.parametrize("past", [False, True])
def test_a_damaged_object_becomes_no_result(
    runs: Callable[[], int], of: str, past: bool, capfd: pytest.CaptureFixture
) -> None:
    if past:  # a state that dvc.lock no longer names
        Path("word").write_text("second\n")
        assert pipeline.run() == 0
        lists = list(OBJECTS.glob("*/*.dir"))
        first = [path for path in lists if digest(b"first\n") in path.read_text()]
        damaged = first[0] if of.startswith("list") else objects(of)
        Path("word").write_text("first\n")
    else:
        damaged = objects(of.split(",")[0])
        remove()
    before = runs()
    flip(damaged, DAMAGES[of])
    capfd.readouterr()
    assert pipeline.run() == 0
    said = [line for line in capfd.readouterr().err.splitlines() if "damaged" in line]
    assert said
    assert all("in DVC's cache (1 file, by their digests); not used" in line for line in said)
    assert runs() == before + 1
    assert whole("first\n")
    remove()
    assert pipeline.run() == 0
    assert runs() == before + 1
    assert whole("first\n")


def test_whole_ones_are_taken_as_ever(runs: Callable[[], int], capfd: pytest.CaptureFixture) -> None:
    remove()
    assert pipeline.run() == 0
    assert "damaged" not in capfd.readouterr().err
    assert runs() == 1
    assert whole("first\n")


def test_a_failed_stage_gets_none_of_them_back(runs: Callable[[], int]) -> None:
    """As cnnviz.files.put_back calls it."""
    flip(objects("file in a folder"), DAMAGES["file in a folder"])
    remove()
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-m", "cnnviz.repro.objects", "made"], env=env, check=True)
    assert Path("single").read_text() == "first\n"
    assert not Path("folder/other").exists()
