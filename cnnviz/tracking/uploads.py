"""The files of a run, several on their way at a time. Knows no MLflow."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any

AT_ONCE = 4


def each(files: list[tuple[Path, str]]) -> Iterable[tuple[Path, str]]:
    """Every single file of files and folders, with the folder of the run that it goes into."""
    for path, folder in files:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                into = PurePosixPath(folder) / file.parent.relative_to(path)
                yield file, str(into) if into.parts else ""
        else:
            yield path, folder


def at_once(jobs: list[Callable[[], Any]]) -> None:
    """Run jobs in a few threads, since each waits for the server most of the time. After a failure no other begins.

    The threads keep no process from its end: a sync that gives a server up leaves them behind.
    """
    todo, failed = iter(jobs), list[BaseException]()

    def work() -> None:
        try:
            for job in todo:
                if failed:
                    return
                job()
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(jobs)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
