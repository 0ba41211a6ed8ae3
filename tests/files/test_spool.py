"""Rows in a file are those in memory."""

from pathlib import Path

import numpy as np
import pytest

from cnnviz.files import Rows, Spool


@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_rows_come_back_as_they_were_whoever_writes_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, kind: type
) -> None:
    monkeypatch.chdir(tmp_path)
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
    assert not list(tmp_path.iterdir())  # the file has no name
