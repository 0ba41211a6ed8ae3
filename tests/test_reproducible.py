"""Two clones, each from downloads to report, agree on every byte, with and without a first look.

A file of its own: another worker runs it.
"""

import pytest

from tests.clone import ONE_MODEL, Clone

pytestmark = pytest.mark.pipeline


def test_two_clones_write_the_same_lock(tmp_path_factory: pytest.TempPathFactory) -> None:
    locks = []
    for name in ("one", "two"):
        made = Clone(tmp_path_factory.mktemp(name))
        made.change(ONE_MODEL)
        done = made.dvc("repro") if name == "one" else made.make()
        assert done.returncode == 0, done.stderr
        assert ("first look: " in done.stdout) == (name == "two")
        locks.append((made.folder / "dvc.lock").read_bytes())
    assert locks[0] == locks[1]
