"""Archives on the web, from a server of this machine: fetched once, verified, read member by member."""

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import reading
from cnnviz.sources import Unreachable, archived, catalog, packages, read_archived, web

KNOWN = catalog.WEB_SETS["imagenette"]


def archive(path: Path) -> Path:
    """In Imagenette's layout: two classes, a training part, and what has no business there."""
    with tarfile.open(path, "w:gz") as made:
        for folder, value in (("val/n01440764", 10), ("val/n02102040", 90), ("train/n01440764", 200)):
            for i in range(3):
                data = io.BytesIO()
                Image.fromarray(np.full((160, 213 - i, 3), value + i, np.uint8)).save(data, "JPEG", quality=95)
                member = tarfile.TarInfo(f"imagenette2-160/{folder}/ILSVRC_{i}.JPEG")
                member.size = len(data.getvalue())
                made.addfile(member, io.BytesIO(data.getvalue()))
        link = tarfile.TarInfo("imagenette2-160/val/n01440764/ILSVRC_0a.JPEG")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    return path


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[catalog.WebSet, list[str]]]:
    """Imagenette's entry of the catalogue with a small archive of the same layout, and what was asked of its server."""
    asked: list[str] = []
    (tmp_path / "www").mkdir()
    path = archive(tmp_path / "www" / "imagenette2-160.tgz")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            asked.append(self.path)

    monkeypatch.setattr(packages, "DOWNLOADS", tmp_path / "downloads")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = catalog.WebFile(url, digest, path.stat().st_size)
    yield catalog.WebSet(file, KNOWN.members, 6, KNOWN.license, KNOWN.classes), asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_archive_is_fetched_once_and_read_evenly_over_its_classes(
    served: tuple[catalog.WebSet, list[str]],
) -> None:
    known, asked = served
    found = reading.read_web(known, 4)
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.names.tolist() == ["tench", "English springer"] * 2
    assert found.class_names.tolist()[:3] == ["tench", "English springer", "cassette player"]
    assert found.sizes.tolist() == [[160, 213], [160, 213], [160, 212], [160, 212]]
    assert [int(found.image(i).mean().round()) for i in range(4)] == [10, 90, 11, 91]
    assert known.file.sha256 in found.origin
    assert len(reading.read_web(known, 6)) == 6
    assert len(asked) == 1
    with pytest.raises(InputError, match="7 images asked, there are 6"):
        reading.read_web(known, 7)


def test_a_copy_put_there_by_hand_needs_no_network(served: tuple[catalog.WebSet, list[str]], tmp_path: Path) -> None:
    known, asked = served
    path = tmp_path / "downloads" / known.file.sha256 / known.file.name
    path.parent.mkdir(parents=True)
    (tmp_path / "www" / known.file.name).rename(path)
    assert len(archived(known.file)) == 9
    with pytest.raises(InputError, match="no file 'x' in it"):
        read_archived(known.file, ["x"])
    assert not asked


def test_another_file_is_refused_and_not_kept(served: tuple[catalog.WebSet, list[str]], tmp_path: Path) -> None:
    known, _ = served
    (tmp_path / "www" / known.file.name).write_bytes(b"another file")
    with pytest.raises(InputError, match=r"imagenette2-160.tgz: refused, its SHA-256 is not") as raised:
        reading.read_web(known, 1)
    assert not isinstance(raised.value, Unreachable)
    assert not list((tmp_path / "downloads").rglob("*.tgz"))


def test_a_missing_file_and_no_network_are_told_apart(
    served: tuple[catalog.WebSet, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, _ = served
    (tmp_path / "www" / known.file.name).unlink()
    with pytest.raises(
        InputError, match=r"404 .*the file is gone from there, or put imagenette2-160.tgz into"
    ) as raised:
        reading.read_web(known, 1)
    assert not isinstance(raised.value, Unreachable)
    closed = catalog.WebFile("http://127.0.0.1:9/imagenette2-160.tgz", known.file.sha256, 1)
    with pytest.raises(
        Unreachable, match=r"127.0.0.1:9/imagenette2-160.tgz: ConnectionError; try again with a network"
    ):
        web.fetch(closed)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"s3\.amazonaws\.com cannot be reached; try again with a network, or put"):
        web.fetch(KNOWN.file)


def test_the_catalogue_pins_what_others_pin() -> None:
    assert KNOWN.file.name == "imagenette2-160.tgz"
    assert len(KNOWN.file.sha256) == 64
    assert list(KNOWN.classes) == sorted(KNOWN.classes)  # labels in the order of the folders
