"""`here`, the working folder, and `there`: two clones of the same bytes, to be changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnviz.verify import __main__ as command
from tests.verify import clones

Verify = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    clones.make(folder)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = clones.copy(made, tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def there(made: Path, tmp_path: Path) -> Path:
    return clones.copy(made, tmp_path / "there")


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run the command on the given words: its exit status, and the lines of what it says (of stderr for status 2)."""
    for name in ("drop_chatter", "use_defaults"):  # what they do lasts for the life of a process
        monkeypatch.setattr(command, name, lambda: None)

    def run(*words: object) -> tuple[int, list[str]]:
        monkeypatch.setattr("sys.argv", ["verify", *map(str, words)])
        status = command.main()
        said = capsys.readouterr()
        return status, (said.err if status == 2 else said.out).splitlines()

    return run
