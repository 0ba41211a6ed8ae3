"""Work that is spread over processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cnnviz.errors import InputError
from cnnviz.files import abreast

ENDLESS = """
import os
import time
from cnnviz.files import abreast

def work(part):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(0.2)

abreast(work, range(1000), lambda part: 1, lambda: None, processes=3)
"""


def notes(folder: Path) -> dict[str, list[int]]:
    """Parts by the process that made them."""
    found: dict[str, list[int]] = {}
    for path in folder.iterdir():
        found.setdefault(path.read_text(), []).append(int(path.name))
    return found


def test_parts_are_shared_out_by_their_weight(tmp_path: Path) -> None:
    done: list[bool] = []
    began = tmp_path / "began"
    began.mkdir()
    folder = tmp_path / "parts"
    folder.mkdir()
    abreast(
        lambda part: (folder / str(part)).write_text(str(os.getpid())),
        range(10),
        lambda part: 9 if part == 3 else 1,  # as much as all others
        lambda: done.append(True),
        begin=lambda: (began / str(os.getpid())).touch(),
        processes=2,
    )
    shares = sorted(notes(folder).values(), key=len)
    assert shares[0] == [3]
    assert sorted(shares[1]) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert len(done) == 10
    assert len(list(began.iterdir())) == 2


def test_one_process_is_this_one(tmp_path: Path) -> None:
    abreast(
        lambda part: (tmp_path / str(part)).write_text(str(os.getpid())), [0, 1], lambda _: 1, lambda: None, processes=1
    )
    assert list(notes(tmp_path)) == [str(os.getpid())]
    abreast(lambda part: 1 / 0, [], lambda _: 1, lambda: None)  # nothing to do


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_what_a_part_raises_is_raised(wrong: int) -> None:
    def work(part: int) -> None:
        if part == wrong:
            raise OSError(28, "No space left on device", f"/full/{part}")

    with pytest.raises(OSError, match=f"/full/{wrong}"):
        abreast(work, range(3), lambda _: 1, lambda: None, processes=3)


def test_a_process_that_is_killed_is_said() -> None:
    own = os.getpid()

    def work(part: int) -> None:
        if os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(InputError, match="was ended"):
        abreast(work, range(2), lambda _: 1, lambda: None, processes=2)


def test_none_outlives_the_one_that_started_them() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True, bufsize=1) as started:
        assert started.stdout is not None
        own: set[int] = set()
        while len(own) < 3:
            own.add(int(started.stdout.readline()))
        started.kill()
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in own):
        assert time.monotonic() < deadline
        time.sleep(0.1)
