"""What long work says, seen from outside: a process without a terminal, and one with."""

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from cnnviz.files import waiting
from tests.clone import ROOT

WORK = """
import sys, time
from cnnviz.files import progress, stage, waiting
waiting.FIRST, waiting.EVERY = 0.08, 0.16
with stage("dig"):
    with progress(10, "hole", "dig garden", "10 holes of 2 sizes", effort=30) as bar:
        bar.skip(2)
        for i in range(8):
            bar.each = 1 if i < 4 else 5
            time.sleep(0.02 * bar.each)
            bar.update()
"""
COMMAND = [sys.executable, "-c", WORK]


def without_terminal(folder: Path) -> list[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(COMMAND, cwd=folder, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_without_a_terminal_lines_say_how_long_it_will_take(tmp_path: Path) -> None:
    start, *between, end = without_terminal(tmp_path)
    assert start == "dig garden: 10 holes of 2 sizes"
    noted = json.loads((tmp_path / ".cache/timings/dig.json").read_text())
    assert 1 <= len(between) <= 1 + noted["seconds"] / 0.16
    assert all(re.fullmatch(r"dig garden: \d+%, about \d+ s more", line) for line in between)
    percent = int(re.findall(r"(\d+)%", between[0])[0])
    assert percent < 20  # 4 of 28 at most, though half of the holes: the dear ones come last
    assert re.fullmatch(r"dig garden: done in \d+ s", end)


def test_the_first_steps_of_many_tell_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST", 0)
    with waiting.progress(300, "step", "dig") as bar:
        for _ in range(4):
            bar.update()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "dig: 300 steps"
    assert said[1].startswith("dig: 1%, about ")
    assert len(said) == 3


def test_the_next_run_knows_it_from_the_start(tmp_path: Path) -> None:
    without_terminal(tmp_path)
    timing = tmp_path / ".cache/timings/dig.json"
    noted = json.loads(timing.read_text())
    pace = noted["paces"]["dig garden"]  # per unit of effort; 24 of these were made
    assert 0.0199 < pace < noted["seconds"] / 24 + 0.001
    noted["paces"]["dig garden"] = 10
    timing.write_text(json.dumps(noted))
    assert without_terminal(tmp_path)[0] == "dig garden: 10 holes of 2 sizes; about 5 min"
    timing.write_text("{}")
    assert without_terminal(tmp_path)[0] == "dig garden: 10 holes of 2 sizes"


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(COMMAND, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    text = said.decode()
    assert text.startswith("dig garden: 10 holes of 2 sizes\r\n")
    assert "%|" in text
    assert "hole/s" in text
    assert "more" not in text
    assert "done" not in text


def test_what_failed_is_not_done(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="rock"), waiting.progress(3, "hole", "dig"):
        raise ValueError("rock")
    assert capfd.readouterr().err == "dig: 3 holes\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (7.4, "7 s"), (42, "40 s"), (89, "90 s"), (240, "4 min"), (3570, "1 h 0 min"), (4800, "1 h 20 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert waiting.duration(seconds) == text
