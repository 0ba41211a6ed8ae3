"""Package files: a real pip, a real small wheel of the catalogue, and what can go wrong with them."""

import dataclasses
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnnviz.errors import InputError
from cnnviz.sources import packages
from cnnviz.sources.catalog import IMAGES_PACKAGE

pytestmark = pytest.mark.pipeline

CAT = "foolbox/data/cifar10_00_3.png"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, downloaded once for all tests through `fetch`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("download"))
        return packages.fetch(IMAGES_PACKAGE).resolve()


@pytest.fixture
def cached(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder whose cache has the wheel; returns the wheel's path in it."""
    monkeypatch.chdir(tmp_path)
    copy = packages.DOWNLOADS / IMAGES_PACKAGE.sha256 / wheel.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(wheel.read_bytes())
    return copy


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip with nothing but an index at which nobody listens."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


def files() -> list[Path]:
    return [path for path in Path().rglob("*") if path.is_file()]


def test_fetch_gets_the_pinned_wheel_whole(wheel: Path) -> None:
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == IMAGES_PACKAGE.sha256
    assert wheel.parent.name == IMAGES_PACKAGE.sha256
    assert [path.name for path in wheel.parents[1].iterdir()] == [IMAGES_PACKAGE.sha256]  # no partial folder is left


def test_fetch_takes_the_cached_wheel_without_any_index(cached: Path, offline: None) -> None:
    assert packages.fetch(IMAGES_PACKAGE) == cached


def test_members_are_read_by_exact_name(cached: Path) -> None:
    assert packages.read_member(IMAGES_PACKAGE, CAT).startswith(b"\x89PNG")
    names = packages.member_names(IMAGES_PACKAGE)
    assert len(names) == 100
    assert CAT in names
    assert set(packages.read_members(IMAGES_PACKAGE, names[:3])) == set(names[:3])
    with pytest.raises(InputError, match=r"no file 'foolbox/data/cifar10_00'"):
        packages.read_member(IMAGES_PACKAGE, "foolbox/data/cifar10_00")


def test_damaged_cache_is_not_trusted_and_named_when_offline(cached: Path, offline: None) -> None:
    content = bytearray(cached.read_bytes())
    content[1000] ^= 1
    cached.write_bytes(content)
    with pytest.raises(InputError, match="damaged or another file") as caught:
        packages.read_member(IMAGES_PACKAGE, CAT)
    assert "\n" not in str(caught.value)
    assert "cannot be reached" in str(caught.value)


def test_damaged_cache_heals_where_the_index_is_reachable(cached: Path) -> None:
    cached.write_bytes(cached.read_bytes()[:1000])
    assert packages.read_member(IMAGES_PACKAGE, CAT).startswith(b"\x89PNG")
    assert [path.name for path in files()] == [cached.name]


def test_wrong_digest_is_refused_and_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    other = dataclasses.replace(IMAGES_PACKAGE, sha256="0" * 64)
    with pytest.raises(InputError, match=f"its SHA-256 is {IMAGES_PACKAGE.sha256}, expected 0000") as caught:
        packages.fetch(other)
    assert "\n" not in str(caught.value)
    assert not files()


def test_unknown_version_says_which_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no such version.*3\.3\.4") as caught:
        packages.fetch(dataclasses.replace(IMAGES_PACKAGE, version="99.0"))
    assert "\n" not in str(caught.value)
    assert not files()


def test_unreachable_index_says_what_to_do_offline(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "2")
    with pytest.raises(InputError) as caught:
        packages.fetch(IMAGES_PACKAGE)
    line = str(caught.value)
    assert "foolbox==3.3.4" in line
    assert "cannot be reached" in line
    assert f".cache/downloads/{IMAGES_PACKAGE.sha256}/" in line
    assert "\n" not in line
    assert not files()


def test_no_index_at_all_says_so_in_one_line(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match="does not have it or cannot be reached; without internet"):
        packages.fetch(IMAGES_PACKAGE)


def test_killed_download_leaves_nothing_that_is_trusted(offline: None, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, then never answers: pip hangs in the download
        environment = {
            **os.environ,
            "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        code = "from cnnviz.sources import catalog, packages; packages.fetch(catalog.IMAGES_PACKAGE)"
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
        silent.settimeout(60)
        connection, _ = silent.accept()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        connection.close()
    assert not list(packages.DOWNLOADS.glob(f"{IMAGES_PACKAGE.sha256}/*"))
    with pytest.raises(InputError, match="cannot be reached"):
        packages.fetch(IMAGES_PACKAGE)


def test_reachable_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    start = time.monotonic()
    assert not packages.reachable("host.invalid", 1)
    assert not packages.reachable("192.0.2.1", 0.3)  # TEST-NET-1: nobody is there
    assert time.monotonic() - start < 3


def test_reachable_asks_the_proxy_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert packages.reachable("host.invalid", 2)
    monkeypatch.setenv("https_proxy", "127.0.0.1:9")
    assert not packages.reachable("host.invalid", 2)
