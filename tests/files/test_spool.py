"""Rows in a file are those in memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnnviz.files import Rows, Spool
from tests.clone import ROOT


@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_rows_come_back_as_they_were_whoever_writes_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, kind: type
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".cache").mkdir()
    spool = Spool()
    kept, others, plain = Rows(spool), Rows(spool), Rows()
    for n in (2, 1, 3):
        rows = (1000 * rng.random((n, 4, 5))).astype(kind).transpose(0, 2, 1)  # not as memory has them
        for one in (kept, plain):
            one.append(rows)
        others.append(np.full((7, 2), n, np.int32))
    np.testing.assert_array_equal(kept.joined(), plain.joined())
    assert kept.joined().dtype == kind
    assert others.joined()[:, 0].tolist() == [2] * 7 + [1] * 7 + [3] * 7
    assert not list(Path(".cache").iterdir())  # the file has no name


def test_a_full_disk_is_one_line_with_the_place(tmp_path: Path) -> None:
    """An unnamed file that has to be full at a thousand bytes."""
    (tmp_path / ".cache").mkdir()
    body = (
        "import resource; import numpy as np; from cnnviz.files import Rows, Spool, command\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with command('again'):\n    Rows(Spool()).append(np.zeros(500))"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", body], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}/.cache: File too large; mend that, then: again\n"
