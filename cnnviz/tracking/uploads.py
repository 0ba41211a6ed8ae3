"""The files of a run, several on their way at a time. Knows no MLflow."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from threading import Event
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
    """Run jobs in a few threads, since each waits for the server most of the time. After a failure no other begins."""
    failed = Event()

    def run(job: Callable[[], Any]) -> None:
        if not failed.is_set():
            try:
                job()
            except BaseException:
                failed.set()
                raise

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(run, job) for job in jobs]:
            future.result()
