"""Where the outputs of a side lie: in a folder, or described by digests, with files in DVC's cache or without."""

import filecmp
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS
from cnnviz.tracking import lockfile

Files = Mapping[str, Path]  # of an output, or of all: path inside it, with slashes -> where the file is
_DIGEST = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Folder:
    """Outputs that lie in a folder `artifacts`, whatever its name."""

    artifacts: Path

    def files(self, path: str) -> Files:
        """Files of the output `artifacts/…`, none where it isn't there.

        Raises InputError for a link out of it, and for what is no file.
        """
        top = self.artifacts / Path(path).relative_to(ARTIFACTS)
        found = {}
        for folder, _, names in os.walk(top):  # follows no link to a folder
            for name in sorted(names):
                file = Path(folder, name)
                if not file.is_file():
                    raise InputError(f"{file}: a pipe or device, or a link to nothing; expected a file")
                if file.is_symlink() and not file.resolve().is_relative_to(self.artifacts.resolve().parent):
                    raise InputError(f"{file}: a link that leads out of the folder; give a copy with the file itself")
                found[file.relative_to(top).as_posix()] = file
        return found


def paths(entries: Iterable[lockfile.Entry]) -> dict[str, str]:
    """Outputs of the project in a dvc.lock with their digests. Whatever leads out of artifacts/ is none of them."""
    outs = {out.path.as_posix(): out.md5 for entry in entries for out in entry.outs}
    return {path: md5 for path, md5 in outs.items() if _inside(Path(path).parts)}


def _inside(parts: tuple[str, ...]) -> bool:
    return parts[:1] == ARTIFACTS.parts and len(parts) > 1 and ".." not in parts


def same_files(one: Files, other: Files) -> bool:
    """Whether both are the same bytes under the same names."""
    return one.keys() == other.keys() and all(filecmp.cmp(one[name], other[name], shallow=False) for name in one)


def digest_here(outputs: Iterable[str]) -> dict[str, str]:
    """MD5 of outputs as they lie here now, as DVC computes it; its database remembers those of unchanged files."""
    from dvc.fs import LocalFileSystem
    from dvc_data.hashfile.build import build

    with _repo() as repo:
        cache, system = repo.cache.local, LocalFileSystem()

        def digest(path: str) -> str:
            _, _, found = build(cache, path, system, "md5", ignore=repo.dvcignore, dry_run=True)
            return str(found.hash_info.value)

        return {path: digest(path) for path in outputs}


def from_cache(digests: Mapping[str, str]) -> dict[str, Files]:
    """Of the folders with these digests those that DVC's cache has, whole."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree
    from dvc_objects.errors import ObjectFormatError

    found: dict[str, Files] = {}
    with _repo() as repo:
        cache = repo.cache.local
        for path, md5 in digests.items():
            if not md5.endswith(".dir") or not _DIGEST.fullmatch(md5) or not cache.exists(md5):
                continue
            try:
                tree = Tree.load(cache, HashInfo("md5", md5))
            except ObjectFormatError:
                continue
            files = {"/".join(key): Path(cache.oid_to_path(one.value)) for key, _, one in tree}
            if all(file.is_file() for file in files.values()):
                found[path] = files
    return found


def _repo() -> Any:
    """DVC's own view of this folder."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        return Repo()
    except DvcException as error:
        raise InputError(f"DVC: {' '.join(str(error).split())}") from None
