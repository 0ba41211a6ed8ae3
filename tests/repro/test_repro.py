"""`make repro` from outside: interrupted, twice at once, and again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.clone import NOT_INHERITED, ROOT, Clone

pytestmark = pytest.mark.pipeline
BUSY = "error: another make repro or make look is at work in this folder; it goes on, this one stops\n"


def heeding() -> None:
    """Tests may run under nohup, whose children heed no SIGHUP."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def begun(made: Clone, log: Path) -> "subprocess.Popen[bytes]":
    """`make repro`, in the middle of a stage."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    with log.open("wb") as said:
        process = subprocess.Popen(
            ["make", "repro"],
            cwd=made.folder,
            env=env,
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=heeding,
        )
    while b"> " not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    time.sleep(0.3)
    return process


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made = Clone(tmp_path_factory.mktemp("clone"))
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["images"]
    (made.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"images": stage}}))
    script = made.folder / "stages" / "download_images.py"
    slow = '    with stage("images"):\n        __import__("time").sleep(3)\n'
    script.write_text(script.read_text().replace('    with stage("images"):\n', slow))
    (made.folder / "artifacts" / "report").mkdir(parents=True)
    (made.folder / "artifacts" / "report" / "index.html").touch()  # no first look
    return made


def test_an_interruption_is_one_line_and_the_next_run_goes_on(made: Clone, tmp_path: Path) -> None:
    for number, to_all in ((signal.SIGTERM, False), (signal.SIGHUP, True), (signal.SIGINT, True)):
        process = begun(made, tmp_path / "log")
        start = time.monotonic()
        if to_all:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        process.wait(10)
        assert time.monotonic() - start < 2
        said = (tmp_path / "log").read_text()
        after = [line for line in said.split("> ")[1].splitlines()[1:] if line and not line.startswith("make: ")]
        assert after == ["interrupted; make repro goes on from here"]


def test_a_second_one_stops_and_the_first_goes_on(made: Clone, tmp_path: Path) -> None:
    first = begun(made, tmp_path / "log")
    for target in ("repro", "look"):
        second = made.make(target)
        assert second.returncode == 2
        assert second.stderr.startswith(BUSY)
    assert first.wait(60) == 0
    assert (made.folder / "artifacts/images/images.json").is_file()
    assert (made.folder / ".cache/dvc.lock").read_bytes() == (made.folder / "dvc.lock").read_bytes()


def test_what_a_kill_left_of_dvcs_files_is_mended(made: Clone) -> None:
    if not (made.folder / "dvc.lock").exists():
        assert made.make().returncode == 0
    whole = (made.folder / "dvc.lock").read_bytes()
    (made.folder / "dvc.lock").write_bytes(b"")
    (made.folder / ".dvc/tmp/rwlock").write_bytes(b"")
    done = made.make()
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("dvc.lock: damaged (empty); the last whole one is back\n")
    assert "Running stage" not in done.stdout
    assert (made.folder / "dvc.lock").read_bytes() == whole
