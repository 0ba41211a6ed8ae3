"""Signals to stop, seen from outside: one line at once, whatever the process is at."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.clone import ROOT

pytestmark = pytest.mark.pipeline  # processes that are killed

LINE = "interrupted; make repro goes on from here\n"
BUSY = "sum(range(10**13))"  # C code that keeps the interpreter's lock, as TensorFlow's import does: no handler runs
PARENT = "import subprocess; subprocess.run(['sleep', '60'])"
BODY = "from cnnviz.files import stage\nwith stage('s'):\n    open('begun', 'w').close()\n    {}"


def started(folder: Path, body: str) -> "subprocess.Popen[str]":
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", BODY.format(body)], cwd=folder, env=env, stderr=subprocess.PIPE, text=True
    )
    while not (folder / "begun").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    return process


@pytest.mark.parametrize(("body", "status"), [(BUSY, -signal.SIGUSR1), (PARENT, None)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_within_two_seconds(tmp_path: Path, body: str, status: int | None, number: signal.Signals) -> None:
    process = started(tmp_path, body)
    children = psutil.Process(process.pid).children(recursive=True)
    begun = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=10)[1]
    assert time.monotonic() - begun < 2
    assert said == LINE
    assert process.returncode == (status or 128 + number)
    psutil.wait_procs(children, timeout=2)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_process_leaves_none_behind_that_watches_it(tmp_path: Path) -> None:
    process = started(tmp_path, "import time; time.sleep(60)")
    children = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    assert len(children) == 1
    psutil.wait_procs(children, timeout=2)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    code = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + BODY
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    body = "os.kill(os.getpid(), signal.SIGHUP); print('on')"
    command = [sys.executable, "-c", code.format(body)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")


def test_afterwards_signals_do_what_they_did(tmp_path: Path) -> None:
    code = "import signal; before = signal.getsignal(signal.SIGINT)\n" + BODY.format("pass")
    code += "\nassert signal.getsignal(signal.SIGINT) is before; assert signal.set_wakeup_fd(-1) == -1"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env).returncode == 0


COMMANDS = ("repro", "config", "look", "add", "tracking.ui", "verify", "versus", "publish", "enlarge", "ask")


@pytest.mark.parametrize("name", COMMANDS)
def test_in_a_commands_first_moments_ctrl_c_shows_no_traceback(tmp_path: Path, name: str) -> None:
    """Its first import presses Ctrl-C: `lazy_loader`, which this folder has a copy of its own of."""
    (tmp_path / "lazy_loader.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)"
    )
    env = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", f"cnnviz.{name}"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_whoever_imports_it_keeps_what_ctrl_c_does(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/__init__.py").write_text("import cnnviz")
    (tmp_path / "theirs/work.py").write_text("import signal; print(signal.getsignal(signal.SIGINT).__name__)")
    env = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-m", "theirs.work"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout == "default_int_handler\n", done.stderr


def test_only_make_repro_goes_on(tmp_path: Path) -> None:
    code = "import os, signal, time\nfrom cnnviz.files import stage\nwith stage('add', 'python -m cnnviz.add'):\n"
    code += "    os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stderr == "interrupted; again: python -m cnnviz.add\n"
