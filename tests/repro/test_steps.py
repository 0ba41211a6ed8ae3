"""The processes that `make repro` starts: whichever of them Ctrl-C ends, all ends."""

import signal
import sys
from pathlib import Path

import pytest

from cnnviz.repro.__main__ import main

SHELLS = {"INT": 130, "TERM": 143, "USR1": 138}  # bash: 128 + the signal's number


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("ended", ["kill -{0} $$", "exit {1}"])
def test_a_first_look_that_is_interrupted_ends_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, name: str, ended: str
) -> None:
    """Without the end, DVC would say here that this is no project."""
    monkeypatch.chdir(tmp_path)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/bash\ncase $2 in *look) {ended.format(name, SHELLS[name])};; esac\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    before = signal.getsignal(signal.SIGINT)
    assert main([]) == SHELLS[name]
    assert capfd.readouterr().err == "interrupted; make repro goes on from here\n"
    assert signal.getsignal(signal.SIGINT) is before
