"""Disks that are full or may not be written, caches of any content, one process at a time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnnviz.errors import InputError
from cnnviz.files import disk, waiting
from tests.clone import ROOT

STAGE = "from pathlib import Path\nfrom cnnviz.files import npz, stage, write_bytes\nimport numpy as np\n{}\n"
STAGE += "with stage('s'):\n    {}"
FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"  # a file's size, for want of a disk
RIGHT = "it needs the right to read and write there"


def run(folder: Path, before: str, body: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STAGE.format(before, body)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("before", "body", "said"),
    [
        (FULL, "write_bytes(Path('a/b'), bytes(5000))", "{}/a/b: File too large; mend that"),
        (FULL, "npz.write(Path('c.npz'), {{'x': np.zeros(5000)}})", "{}/c.npz: File too large; mend that"),
        ("", "write_bytes(Path('x' * 300), b'')", "{}/" + "x" * 300 + ": File name too long; give it a shorter name"),
        ("open('file', 'w').close()", "write_bytes(Path('file/b'), b'')", "{}/file"),
        (
            "Path('.cache/stage.s.lock').mkdir(parents=True)",
            "pass",
            "{}/.cache/stage.s.lock: Is a directory; remove what",
        ),
        ("", "raise OSError(28, 'No space left on device')", "{}: No space left on device; make room there"),
        ("", "raise PermissionError(13, 'Permission denied', 'a')", "{}/a: Permission denied; " + RIGHT),
        ("", "raise ConnectionResetError(104, 'Connection reset by peer')", "Connection reset by peer; mend that"),
    ],
)
def test_one_line_with_the_path(tmp_path: Path, before: str, body: str, said: str) -> None:
    done = run(tmp_path, before, body.replace("{{", "{").replace("}}", "}"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: " + said.format(tmp_path))
    assert done.stderr.endswith(", then: make repro\n")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"[]", b"7", b"null", b'{"paces"', b"[" * 100_000, b"\xff\xfe"])
def test_a_cache_of_any_content_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".cache" / "timings" / "s.json"
    disk.write_bytes(file, content)
    assert disk.read_kept(file) == {}
    assert waiting.Paces("s").last == {}
    if content not in (b"[]", b"7", b"null"):
        with pytest.raises(InputError, match=r"s\.json: damaged"):
            disk.read_json(file)


def test_a_pipe_for_a_cache_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kept.json")
    assert disk.read_kept(tmp_path / "kept.json") == {}


@pytest.mark.parametrize(
    "paces", ["[1]", '{"a": "b"}', '{"a": null}', '{"a": [1]}', '{"a": -1}', '{"a": 1e999}', '"a"']
)
def test_paces_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paces: str) -> None:
    monkeypatch.chdir(tmp_path)
    disk.write_bytes(tmp_path / ".cache/timings/s.json", f'{{"paces": {paces}}}'.encode())
    assert waiting.Paces("s").last == {}


def test_a_second_process_of_a_stage_waits_and_says_so(tmp_path: Path) -> None:
    """As after a kill of DVC, whose stage works on."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    body = "print('in', flush=True); import sys; sys.stdin.read(); print('out', flush=True)"
    command = [sys.executable, "-c", STAGE.format("", body)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, cwd=tmp_path, env=env, **pipes)  # type: ignore[call-overload]
    assert first.stdout.readline() == "in\n"
    second = subprocess.Popen(command, cwd=tmp_path, env=env, **pipes)  # type: ignore[call-overload]
    assert second.stderr.readline() == "s: waiting for another process that runs this stage\n"
    time.sleep(0.2)
    assert second.poll() is None
    first.kill()  # leaves its lock
    first.communicate()
    assert second.communicate("")[0] == "in\nout\n"
