"""DVC's cache hands out only what it once took: objects are hashed before they become outputs.

DVC itself takes a write-protected one as it is, so that a flipped bit on a disk would become a result for good.
`python -m cnnviz.repro.objects <stage>`: bring back a stage's outputs that dvc.lock names.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage.cache import StageCache
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from cnnviz.files import say


class Checked(StageCache):  # type: ignore[misc]
    """What DVC keeps of past runs; what it is about to check out it looks at before. Costs about a second per GB."""

    restoring = False

    def restore(self, *args: Any, **kwargs: Any) -> None:
        self.restoring = True
        try:
            super().restore(*args, **kwargs)
        finally:
            self.restoring = False

    def _create_stage(self, cache: Mapping[str, Any], wdir: Any = None) -> Any:
        """DVC's, of an entry as in dvc.lock; before a restoration this is where it is known which."""
        for out in cache["outs"] if self.restoring else ():
            remove_damaged(self.repo, out["path"], out.get("md5", ""))
        return super()._create_stage(cache, wdir)


def remove_damaged(repo: Repo, out: str, md5: str) -> None:
    """Remove the objects of an output that are no longer what their names say, with a line: DVC makes it again."""
    objects = repo.cache.local
    damaged = [oid for oid in _objects(objects, md5) if _is_damaged(objects, oid)]
    for oid in damaged:
        Path(objects.oid_to_path(oid)).unlink()
    if damaged:
        count = f"{len(damaged)} file{'s' * (len(damaged) != 1)}"
        say(f"{out}: damaged in DVC's cache ({count}, by their digests); not used")


def _objects(objects: Any, md5: str) -> Iterator[str]:
    """Names of an output's objects; of a folder first that of its list, which names the others."""
    if not md5:
        return
    yield md5
    with suppress(OSError, ObjectFormatError):  # the list is gone, as a damaged one is by now
        if md5.endswith(".dir"):
            yield from dict.fromkeys(info.value for _, _, info in Tree.load(objects, objects.get(md5).hash_info))


def _is_damaged(objects: Any, oid: str) -> bool:
    path = Path(objects.oid_to_path(oid))
    return path.is_file() and file_md5(str(path), name=objects.hash_name) != oid.removesuffix(".dir")


def main(name: str) -> None:
    """What is gone or damaged stays away."""
    with suppress(DvcException), Repo() as repo:
        for stage in repo.stage.collect(name):
            for out in stage.outs:
                remove_damaged(repo, str(out), out.hash_info.value or "")
        repo.checkout(targets=[name], force=True)


if __name__ == "__main__":
    main(sys.argv[1])
