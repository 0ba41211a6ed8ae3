"""A real small DVC pipeline of contract-shaped files, with a real store, for all tests of what MLflow holds.

The store is read with sqlite3, not with MLflow: what counts is what is in it.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
import yaml
from filelock import FileLock

from tests.small_stages import MODELS, STEPS
from tests.warm import Warm

ROOT = Path(__file__).parents[1]
PER_MODEL = ("models", "weights", "feature_maps", "maximize")


class Project:
    """A folder with a pipeline, its own DVC and Git, and the store that track makes there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db, self.empty_db = folder / "mlflow.db", folder / ".cache" / "empty.db"

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, env=self.env(env), capture_output=True, text=True)

    def env(self, more: dict[str, str]) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC", "MLFLOW", "PYTEST"))}
        paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        return {**kept, **paths, **more}

    def begin(self, module: str, *words: str, **env: str) -> Warm:
        """Start `python -m <module> <words>`; see tests.warm."""
        return Warm(self.folder, self.env(env), module, *words)

    def track(self, **env: str) -> str:
        return _well(self.begin("stages.track", **env).wait())

    def dvc(self, *words: str, **env: str) -> str:
        return _well(self.begin("dvc", *words, **env).wait())

    def set_gain(self, gain: int) -> None:
        file = self.folder / "params.yaml"
        file.write_text(file.read_text().replace("gain: 2", f"gain: {gain}"))

    def empty(self) -> None:
        """Give it a store without runs, as it is before the first of them is written; making one takes seconds."""
        shutil.copy(self.empty_db, self.db)
        shutil.rmtree(self.folder / "mlruns")

    def commit(self) -> str:
        self.run("git", "add", "-A")
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        assert self.run("git", *who, "commit", "-qm", "state").returncode == 0
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def query(self, text: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.db)) as database:
            return database.execute(text, values).fetchall()

    def runs(self) -> dict[str, dict[str, Any]]:
        """All active runs by id: name, status, start, end, folder, tags."""
        found: dict[str, dict[str, Any]] = {}
        query = "SELECT run_uuid, name, status, start_time, end_time, artifact_uri FROM runs "
        for key, name, status, start, end, uri in self.query(query + "WHERE lifecycle_stage = 'active'"):
            folder = Path(unquote(urlparse(uri).path))
            found[key] = {"name": name, "status": status, "start": start, "end": end, "folder": folder, "tags": {}}
        for key, name, value in self.query("SELECT run_uuid, key, value FROM tags"):
            if key in found:
                found[key]["tags"][name] = value
        return found

    def current(self) -> dict[str, str]:
        """Names of the current runs with their ids; a name that occurs twice is an error."""
        pairs = [(run["name"], key) for key, run in self.runs().items() if run["tags"]["current"] == "true"]
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    def check(self) -> None:
        """Exactly the runs that dvc.lock asks for are current; all are whole; parents are right."""
        runs, current = self.runs(), self.current()
        assert set(current) == {"images", "report", *MODELS} | {f"{s}@{m}" for s in PER_MODEL for m in MODELS}
        for run in runs.values():
            assert run["status"] == "FINISHED"
            assert run["tags"]["complete"] == "true"
            assert run["folder"].is_dir()
        for name, key in current.items():
            model = name.partition("@")[2]
            assert runs[key]["tags"].get("mlflow.parentRunId") == (current[model] if model else None)

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


@pytest.fixture(scope="session", name="synced")
def synced_fixture(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small pipeline after `dvc repro`, whose last stage is track, and a commit. Do not change it: copy it.

    The first worker that wants it makes it for all of them.
    """
    top = tmp_path_factory.getbasetemp()
    project = Project((top.parent if "PYTEST_XDIST_WORKER" in os.environ else top) / "small")
    with FileLock(f"{project.folder}.lock"):
        if not project.empty_db.exists():
            _make(project)
    return project


def _make(project: Project) -> None:
    project.folder.mkdir()
    each = {
        stage: {
            "foreach": "${models}",
            "do": {
                "cmd": f"python -m tests.small_stages {stage} ${{key}}",
                "params": ["gain", "maximize.steps", "models.${key}"] if stage == "maximize" else ["models.${key}"],
                "deps": ["artifacts/images"] if stage == "models" else ["artifacts/models/${key}"],
                "outs": [f"artifacts/{stage}/${{key}}"],
            },
        }
        for stage in PER_MODEL
    }
    whole = [f"artifacts/{stage}" for stage in PER_MODEL]
    stages = {
        "images": {"cmd": "python -m tests.small_stages images", "params": ["long"], "outs": ["artifacts/images"]},
        **each,
        "report": {"cmd": "python -m tests.small_stages report", "deps": whole, "outs": ["artifacts/report"]},
        "track": {"cmd": "python -m stages.track", "deps": [*whole, "artifacts/report"]},
    }
    params = {
        "gain": 2,
        "maximize": {"steps": STEPS},
        "long": "x" * 7000,
        "models": {name: {"size": 8} for name in MODELS},
    }
    ignored = "/.cache/\n/artifacts/\n/mlruns/\n/mlflow.db*\n"
    (project.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params))
    (project.folder / ".gitignore").write_text(ignored)
    project.run("git", "init", "-q")
    project.dvc("init", "-q")
    (project.folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    project.dvc("repro")
    project.commit()
    project.track()
    _copy_without_runs(project.db, project.empty_db)


def _copy_without_runs(database: Path, copy: Path) -> None:
    partial = Path(shutil.copy(database, copy.with_suffix(".part")))
    with closing(sqlite3.connect(partial)) as store, store:
        for table in ("metrics", "latest_metrics", "params", "tags", "input_tags", "inputs", "datasets", "runs"):
            store.execute(f"DELETE FROM {table}")  # noqa: S608
    partial.rename(copy)


def _well(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
