"""Archives on the web: fetched once by pooch, verified by their SHA-256, read member by member, never unpacked.

An archive stays in `.cache/downloads/<sha256>/` and is verified again whenever it is used.
"""

import logging
import tarfile
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnviz.errors import InputError
from cnnviz.files import say
from cnnviz.sources import packages
from cnnviz.sources.catalog import WebFile

SECONDS = 60  # without a byte
MAX_MEMBERS = 100_000
MAX_BYTES = 50_000_000  # of a member


class Unreachable(InputError):  # noqa: N818
    """There is no network, and no copy of what was asked for."""


def fetch(file: WebFile) -> Path:
    """Return the path of the verified archive, downloading it unless it is in the cache already.

    Raises Unreachable without a network, InputError where what came is another file. Then nothing is kept.
    """
    import pooch  # and with it requests: only where something is fetched

    folder = packages.DOWNLOADS / file.sha256
    path = folder / file.name
    known = f"sha256:{file.sha256}"
    by_hand = f"or put {file.name} into {folder}/"
    address = urllib.parse.urlsplit(file.url)
    there = path.is_file() and pooch.file_hash(str(path)) == file.sha256
    if not there and address.scheme == "https" and not packages.reachable(address.hostname or ""):
        raise Unreachable(f"{address.hostname} cannot be reached; try again with a network, {by_hand}")
    if not there:
        say(f"downloading {file.name}, {file.bytes / 1e6:.0f} MB, once")
    logging.getLogger("pooch").setLevel(logging.WARNING)  # its own lines name no reason
    try:
        pooch.retrieve(file.url, known, file.name, folder, downloader=pooch.HTTPDownloader(timeout=SECONDS))
    except OSError as error:
        if (answer := getattr(error, "response", None)) is not None:
            answer.close()
            raise InputError(f"{file.url}: {error}; the file is gone from there, {by_hand}") from None
        if not hasattr(error, "request"):  # not one of requests' own
            raise InputError(f"{folder}: cannot be written ({error})") from None
        raise Unreachable(f"{file.url}: {type(error).__name__}; try again with a network, {by_hand}") from None
    except ValueError:  # pooch's word for another digest
        raise InputError(
            f"{file.name}: refused, its SHA-256 is not {file.sha256}; nothing of it was kept; try again, {by_hand}"
        ) from None
    return path


@contextmanager
def _opened(file: WebFile) -> Iterator[tarfile.TarFile]:
    path = fetch(file)
    try:
        with tarfile.open(path, "r|*") as archive:  # a stream: in the order of the file, nothing held
            yield archive
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: no tar archive that can be read ({error})") from None


def archived(file: WebFile) -> list[str]:
    """Names of the files in the verified archive. Raises as fetch does."""
    with _opened(file) as archive:
        return [member.name for member in _files(archive, file)]


def read_archived(file: WebFile, names: Iterable[str]) -> dict[str, bytes]:
    """Read files out of the verified archive by their exact names: name -> content. Raises as fetch does."""
    wanted, found = set(names), {}
    with _opened(file) as archive:
        for member in _files(archive, file):
            stream = archive.extractfile(member) if member.name in wanted else None
            if stream is not None:
                found[member.name] = stream.read()
                if len(found) == len(wanted):
                    break
    if missing := sorted(wanted - set(found)):
        raise InputError(f"{file.name}: no file {missing[0]!r} in it")
    return found


def _files(archive: tarfile.TarFile, file: WebFile) -> Iterator[tarfile.TarInfo]:
    """Plain files; links and devices are passed over."""
    for number, member in enumerate(archive):
        if number >= MAX_MEMBERS or member.size > MAX_BYTES:
            raise InputError(f"{file.name}: over {MAX_MEMBERS} files in it, or one of over {MAX_BYTES // 10**6} MB")
        if member.isreg():
            yield member
