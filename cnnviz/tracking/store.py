"""The runs of cnnviz in an MLflow store. Nothing but this and client.py imports mlflow.

A run is known by its tags `kind` and `dvc.lock_key`; `layout` says what kind of content it was given. Its tag
`complete` becomes `true` last; `logged` says when and from where. A run that a killed sync left is closed, deleted and
made again.
"""

import json
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlparse

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines per run

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine

from cnnviz.tracking import links, uploads, views
from cnnviz.tracking.client import STORE_ERRORS as STORE_ERRORS
from cnnviz.tracking.client import Client
from cnnviz.tracking.content import Content, Input, legal
from cnnviz.tracking.server import EXPECTED, Patience

EXPERIMENT = "cnnviz"
SHOWN = 500  # characters of a param that MLflow's pages show; params.json in the run has them whole
TOP = ("maximize.steps", "maximize.parameterization", "maximize.learning_rate", "about.preprocessing", "random_seed")
LINE = 72  # characters in a line of a run's description in a window of 1280 pixels
LONGEST = 8000  # characters that MLflow takes in a tag of a run
STALE = 600.0  # seconds after which an unfinished run of another machine counts as left behind


class Store:
    """The runs of one experiment, by kind and lock key."""

    def __init__(
        self, uri: str, artifacts: Path | None, only_here: bool, common: dict[str, str], patience: Patience
    ) -> None:
        """Connect to `uri`, create the experiment if it is missing, and delete what killed syncs left.

        artifacts: where the files of runs go; None: the server decides. only_here: no other machine writes to this
        store. common: tags for every new run. patience: how long it may take.
        """
        with patience.asking():
            _connect(uri)
        self.client = Client(uri, patience)
        self.common = common
        self.writer = f"{platform.node()}:{Path.cwd()}"
        self.only_here = only_here
        self.experiment = self._experiment(artifacts)
        self.runs: dict[tuple[str, str], Any] = {}
        self.reread()

    def _experiment(self, artifacts: Path | None) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            location = artifacts.absolute().as_uri() if artifacts else None
            with suppress(MlflowException):  # another machine may be faster
                made = self.client.create_experiment(EXPERIMENT, location, dict(views.KIND))
                self.client.set_experiment_tag(made, "mlflow.note.content", views.note(made))
                return made
            found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise MlflowException(f"cannot create the experiment {EXPERIMENT}")
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def reread(self) -> int:
        """Read which runs there are: one complete run for each kind and key, the one that was logged first.

        Deletes what killed syncs left, runs that lost their files, and later copies, and returns how many; those of
        other machines only after a while, since they may be at work.
        """
        self.runs = {}
        return sum(self._file_or_delete(run) for run in sorted(self._search(), key=_logged))

    def _search(self) -> Iterable[Any]:
        token = None
        while True:
            page = self.client.search_runs([self.experiment], "", max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _file_or_delete(self, run: Any) -> bool:
        tags = run.data.tags
        if "dvc.lock_key" not in tags:
            return False  # somebody's own run in this experiment
        key, (since, writer, _) = (tags.get("kind", ""), tags["dvc.lock_key"]), _logged(run)
        complete = tags.get("complete") == "true" and (not self.only_here or _folder(run).is_dir())
        if complete and key not in self.runs:
            self.runs[key] = run
            return False
        if not self.only_here and writer != self.writer and time.time() - since < STALE:
            return False
        if run.info.status == "RUNNING":
            self.client.set_terminated(run.info.run_id, "KILLED")
        self._delete(run)
        return True

    def _delete(self, run: Any) -> None:
        self.client.delete_run(run.info.run_id)
        if self.only_here and _folder(run).parent.name == run.info.run_id:
            shutil.rmtree(_folder(run).parent, ignore_errors=True)

    def renew(self, kind: str, key: str) -> None:
        """Forget a run that an older cnnviz made with other content, so that it is made again; only in a store of
        one's own: what others see stays as it is."""
        run = self.runs.get((kind, key))
        if run and self.only_here and run.data.tags.get("layout") != views.LAYOUT:
            self._delete(self.runs.pop((kind, key)))

    def _now(self) -> str:
        return f"{time.time():.3f} {self.writer}"

    def find(self, kind: str, key: str) -> str | None:
        run = self.runs.get((kind, key))
        return run.info.run_id if run else None

    def make(self, name: str, tags: dict[str, str], content: Content, times: tuple[float, float]) -> str:
        """Write one run and return its id. times: start and end in Unix seconds."""
        start, end = (round(1000 * t) for t in times)
        state = {"complete": "false", "layout": views.LAYOUT, "logged": self._now()}
        tags = {**self.common, **content.tags, **tags, **state}
        run = self.client.create_run(self.experiment, start_time=start, tags=tags, run_name=name)
        key = run.info.run_id
        if content.inputs:
            self.client.log_inputs(key, [_dataset(one) for one in content.inputs])
        self._log_numbers(key, content, end)
        uploads.at_once(self._uploads(run, content))
        self.client.set_terminated(key, "FINISHED", end)
        self._set(key, {"logged": self._now(), "complete": "true"})
        self.runs[tags["kind"], tags["dvc.lock_key"]] = self.client.get_run(key)
        return key

    def _log_numbers(self, key: str, content: Content, end: int) -> None:
        """Metrics, params and the note, in as few calls as MLflow allows."""
        numbers = [Metric(k, v, end, 0) for k, v in content.metrics.items()]
        numbers += [Metric(k, v, end, step) for k, curve in content.curves.items() for step, v in curve]
        flat = {legal(k): _text(v) for k, v in content.params.items()}
        params = [Param(k, v if len(v) <= SHOWN else v[: SHOWN - 1] + "…") for k, v in flat.items()]
        note = [RunTag("mlflow.note.content", text[:LONGEST]) for text in (self._note(key, content),) if text]
        while numbers or params or note:
            self.client.log_batch(key, metrics=numbers[:800], params=params[:100], tags=note)
            numbers, params, note = numbers[800:], params[100:], []

    def _note(self, key: str, content: Content) -> str:
        """What stands on top of a run's page, of which MLflow shows the first 100 pixels: two lines and a low picture.

        The commit is not in it, since it is put right later: it stands beside, as the run's source.
        """
        leading, top = [], _lines(content.params)
        if content.page:
            leading.append(f"[report]({links.run_page(self.experiment, key, content.page)})")
        if content.site and self.only_here:  # whose pages `make ui` serves
            leading.append(f"[site]({links.SITE}/{quote(content.site)})")
        if leading:
            top = [" ".join([*leading, *top[:1]]), *top[1:]]
        pictures = [f"![](get-artifact?path={name}&run_uuid={key})" for name in content.shown]
        return "\n\n".join(filter(None, ("  \n".join([*top, *pictures[:1]]), content.note, *pictures[1:])))

    def _uploads(self, run: Any, content: Content) -> list[Callable[[], Any]]:
        """The calls that write a run's files."""
        client, key = self.client, run.info.run_id
        jobs: list[Callable[[], Any]] = []
        if content.table:  # two columns exactly: MLflow then compares runs as a matrix of pictures
            slots, pictures = zip(*content.table, strict=True)
            columns = {"slot": list(slots), "image": [mlflow.Image(pixels) for pixels in pictures]}
            jobs.append(partial(client.log_table, key, columns, "image_matrix.json"))
        jobs += [partial(client.log_image, key, p, artifact_file=name) for name, p in content.shown.items()]
        if content.params:
            jobs.append(partial(client.log_dict, key, content.params, "params.json"))
        jobs += [partial(client.log_image, key, p, key=name, step=s or 0) for name, s, p in content.pictures]
        jobs += [partial(self.keep, run, file, into) for file, into in uploads.each(content.files)]
        return jobs

    def keep(self, run: Any, file: Path, into: str) -> None:
        """Give a run a file, in its folder `into`. In the project's own store that is a link to the same file.

        Whatever changes an output, DVC or a stage, puts a new file in its place.
        """
        if self.only_here:
            folder = _folder(run) / into
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # another file system
                unnamed = folder / f".{file.name}.part"
                os.link(file.resolve(), unnamed)
                unnamed.replace(folder / file.name)
                return
        self.client.log_artifact(run.info.run_id, str(file), into or None)

    def _set(self, run: str, tags: dict[str, str]) -> None:
        self.client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])

    def tag(self, kind: str, key: str, tags: dict[str, str]) -> None:
        """Set tags of a known run where they differ."""
        run = self.runs[kind, key]
        new = {name: value for name, value in tags.items() if run.data.tags.get(name) != value}
        if new:
            self._set(run.info.run_id, new)
            run.data.tags.update(new)

    def rename(self, kind: str, key: str, name: str) -> None:
        """Give a known run another name where it differs."""
        run = self.runs[kind, key]
        if run.data.tags.get("mlflow.runName") != name:
            self.client.update_run(run.info.run_id, name=name)
            run.data.tags["mlflow.runName"] = name

    def tag_experiment(self, tags: dict[str, str]) -> None:
        """Set tags of the experiment where they differ."""
        have = self.client.get_experiment(self.experiment).tags
        for name, value in tags.items():
            if have.get(name) != value:
                self.client.set_experiment_tag(self.experiment, name, value)


def _dataset(one: Input) -> DatasetInput:
    """MLflow's pages show the digest beside the name: 12 characters of it; `profile` has all."""
    profile = {"sha256": one.digest, **one.facts}
    dataset = Dataset(
        one.name, one.digest[:12], "code", json.dumps({"origin": one.source}), profile=json.dumps(profile)
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", one.context)])


def _connect(uri: str) -> None:
    """Raise what keeps a database from being used. MLflow would try again for minutes before it says so."""
    if re.match(r"(sqlite|postgresql|mysql|mssql)[+:]", uri):
        try:
            engine = create_engine(uri)
        except ValueError as error:
            raise MlflowException(f"{error}; {EXPECTED}") from error
        engine.connect().close()
        engine.dispose()


def _lines(params: dict[str, Any]) -> list[str]:
    """Two lines of params, as Markdown: those that pictures depend on most, then others, those of all models last."""
    order = sorted(params, key=lambda k: (TOP.index(k) if k in TOP else len(TOP), k.startswith(("models.", "model."))))
    lines, room = [list[str]()], LINE - len("report site ")
    for key in order:
        text = f"{key}={_text(params[key])}".replace("`", "'")
        if len(text) > room and len(text) <= LINE and len(lines) == 1:
            lines, room = [*lines, []], LINE
        if len(text) <= room:
            lines[-1].append(f"`{text}`")
            room -= len(text) + 2
    return [" ".join(line) for line in lines if line]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _logged(run: Any) -> tuple[float, str, str]:
    """When and from where a run was logged, and its id: an order that all machines agree on."""
    since, _, writer = run.data.tags.get("logged", "0 ").partition(" ")
    return float(since), writer, run.info.run_id


def _folder(run: Any) -> Path:
    """A run's artifact folder in the local store."""
    return Path(unquote(urlparse(run.info.artifact_uri).path))
