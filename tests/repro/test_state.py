"""dvc.lock and DVC's list of locked files after an accident; DVC itself is the judge."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo

from cnnviz.errors import InputError
from cnnviz.repro import pipeline, state
from cnnviz.tracking import lockfile

# DVC's own code warns of what it uses
pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore")]
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
DAMAGES = {
    "empty": lambda whole: b"",
    "zeros": lambda whole: bytes(4096),
    "a block of it": lambda whole: whole[: whole.rindex(b"cmd") + 2],
    "another key": lambda whole: whole.replace(b"cmd:", b"cme:", 1),
    "another byte": lambda whole: whole.replace(b"md5", b"\xff\xfe5", 1),
    "a list": lambda whole: b"- 1\n",
    "no stages": lambda whole: b"schema: '2.0'\nstages:\n",
    "a key twice": lambda whole: whole + whole,
}
CONFLICT = b"<<<<<<< HEAD\nschema: '2.0'\n=======\nschema: '2.0'\n>>>>>>> other\n"


@pytest.fixture(scope="module", name="made")
def made_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two stages after `dvc repro`."""
    folder = tmp_path_factory.mktemp("made")
    stages = "".join(f"  {name}:\n    cmd: echo {name} > {name}\n    outs: [{name}]\n" for name in ("one", "two"))
    (folder / "dvc.yaml").write_text(f"stages:\n{stages}")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for words in (["init", "-q"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def whole(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Its dvc.lock; the working folder is a copy of it."""
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return state.LOCK.read_bytes()


def taken() -> bool:
    """Whether DVC takes dvc.lock, with nothing left to be done."""
    with Repo() as repo:
        return not repo.status()


@pytest.mark.parametrize(
    ("damage", "kept"), [*((damage, "copy") for damage in DAMAGES), ("empty", "commit"), ("empty", "nothing")]
)
def test_the_last_whole_lock_comes_back(whole: bytes, damage: str, kept: str, capfd: pytest.CaptureFixture) -> None:
    if kept == "copy":
        state.mend()
    if kept == "commit":
        subprocess.run([*GIT, "add", "-A"], check=True)
        subprocess.run([*GIT, "commit", "-qm", "all"], check=True)
    state.LOCK.write_bytes(DAMAGES[damage](whole))
    with pytest.raises(DvcException):
        taken()
    capfd.readouterr()
    state.mend()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("dvc.lock: damaged (")
    if kept == "nothing":
        assert not state.LOCK.exists()
        assert "DVC's cache" in line
        with Repo() as repo:
            repo.reproduce()
    assert state.LOCK.read_bytes() == whole
    assert taken()
    state.mend()
    assert state.KEPT.read_bytes() == whole
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("damage", ["empty", "zeros"])
def test_a_power_cut_may_damage_the_copy_alike(whole: bytes, damage: str) -> None:
    subprocess.run([*GIT, "add", "-A"], check=True)
    subprocess.run([*GIT, "commit", "-qm", "all"], check=True)
    state.mend()
    for path in (state.LOCK, state.KEPT):
        path.write_bytes(DAMAGES[damage](whole))
    state.mend()
    assert state.LOCK.read_bytes() == whole == state.KEPT.read_bytes()


def test_a_lock_cut_anywhere_is_one_that_dvc_takes(whole: bytes) -> None:
    state.mend()
    for end in range(0, len(whole), 37):
        state.LOCK.write_bytes(whole[:end])
        state.mend()
        with Repo() as repo:
            repo.status()


def test_a_merge_conflict_is_a_line_for_all_that_read_it(whole: bytes) -> None:
    state.mend()
    state.LOCK.write_bytes(CONFLICT)
    for read in (state.mend, lockfile.stages):
        with pytest.raises(InputError, match=r"^dvc\.lock: line 1 is the mark of a merge conflict; keep one side"):
            read()
    assert state.LOCK.read_bytes() == CONFLICT  # it is the user's to decide


def test_a_copy_with_a_merge_conflict_is_none(whole: bytes, capfd: pytest.CaptureFixture) -> None:
    subprocess.run([*GIT, "add", "-A"], check=True)
    subprocess.run([*GIT, "commit", "-qm", "all"], check=True)
    state.mend()
    state.KEPT.write_bytes(CONFLICT)
    state.LOCK.write_bytes(b"")
    state.mend()  # out of the commit
    assert state.LOCK.read_bytes() == whole
    Path("dvc.lock").write_bytes(CONFLICT)
    subprocess.run([*GIT, "commit", "-qam", "of both"], check=True)
    state.KEPT.write_bytes(CONFLICT)
    state.LOCK.write_bytes(b"")
    capfd.readouterr()
    state.mend()
    assert capfd.readouterr().err.startswith("dvc.lock: damaged (empty); removed: ")
    assert not state.LOCK.exists()


@pytest.mark.parametrize("place", ["dvc.lock", ".cache/dvc.lock", ".dvc/tmp/rwlock"])
def test_a_pipe_is_not_waited_for(whole: bytes, place: str) -> None:
    state.mend()
    Path(place).unlink(missing_ok=True)
    os.mkfifo(place)
    if place == "dvc.lock":
        with pytest.raises(InputError, match=r"^dvc\.lock: damaged \(no plain file\)"):
            lockfile.stages()
    state.mend()
    assert not Path(place).is_fifo()
    assert state.LOCK.read_bytes() == whole
    assert taken()


DEEP = {"lists": b"[", "items": b"- ", "keys": b"? ", "mappings": b"{a: "}


@pytest.mark.parametrize("kind", DEEP)
def test_thousands_of_lists_in_one_another_are_a_damage_as_any(whole: bytes, kind: str) -> None:
    """For the reader in C they are the end of the process."""
    state.mend()
    state.LOCK.write_bytes(DEEP[kind] * 100_000)
    with pytest.raises(InputError, match=r"^dvc\.lock: damaged \(too many lists in one another\)"):
        lockfile.stages()
    assert lockfile.differences(whole, state.LOCK.read_bytes()) == ""
    state.mend()
    assert state.LOCK.read_bytes() == whole


@pytest.mark.parametrize("command", ["", "python -m dvc repro"])
def test_a_list_of_locked_files_that_nobody_holds_is_removed(whole: bytes, command: str) -> None:
    """Nobody: the process of that number is another one by now."""
    (locked, _) = state.LOCKED
    code = "import time; print('in', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code, *command.split()], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline()
        holder = {"pid": other.pid, "cmd": "dvc repro"}
        locked.write_text(json.dumps({"write": {str(Path("one").absolute()): holder}, "read": {}}))
        state.mend()
        assert locked.exists() == bool(command)
    finally:
        other.kill()
        other.communicate()
    state.mend()
    assert not locked.exists()


def held_by(number: str) -> bytes:
    return b'{"write": {"x": {"pid": %s, "cmd": "dvc repro"}}, "read": {}}' % number.encode()


UNREADABLE = [b"", b"{", b"[]", b"\0\0", b'{"write": 1}', b'{"read": {"a": [{"pid": "x"}]}}', b"[" * 9999]
NUMBERS = ("-5", "0", "1e400", "1.5", "true", "null", "[]", "9" * 30, "9" * 5000)


@pytest.mark.parametrize("content", [*UNREADABLE, *map(held_by, NUMBERS)])
def test_a_list_of_locked_files_that_cannot_be_read_is_removed(whole: bytes, content: bytes) -> None:
    state.LOCKED[0].write_bytes(content)
    Path("one").unlink()
    state.mend()
    with Repo() as repo:
        repo.reproduce()
    assert taken()


CONFIGS = {
    b"\xff\xfe[core]\n": "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    b"[core\nx\n": "Parsing failed with several errors. First error at line 1.",
    b"[core]\n    foo = 1\n": "extra keys not allowed @ data['core']['foo']",
}


@pytest.mark.parametrize("content", CONFIGS)
def test_a_config_that_dvc_does_not_take_is_a_line(whole: bytes, content: bytes, capfd: pytest.CaptureFixture) -> None:
    Path(".dvc/config").write_bytes(content)
    assert pipeline.run() == 1
    (line,) = capfd.readouterr().err.splitlines()
    remedy = "mend .dvc/config or .dvc/config.local, or take it back: git checkout .dvc/config"
    assert line == f"ERROR: config file error: {CONFIGS[content]}; {remedy}"
