"""MLflow's client for a store that other machines write to at the same time, and the tables of one's own."""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import mlflow
from mlflow.entities import DatasetInput
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from cnnviz.tracking.server import Patience

# What a store that is down, full or broken raises, or one whose driver is not installed
STORE_ERRORS = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ModuleNotFoundError)
RACES = 4  # lost in a row to other machines before it counts as a failure


class Client(mlflow.MlflowClient):  # type: ignore[misc]  # it comes without types
    """MLflow's client, but a tag that a run has already is not sent again, as `log_image` does with every picture, and
    what another machine writes at the same moment is no failure.

    Each call counts for `patience`. What comes back that is no answer of MLflow's (a page, half of one, JSON of another
    shape) is an MlflowException, too.
    """

    def __init__(self, uri: str, patience: Patience) -> None:
        self._patience = patience
        with _answer_of(uri):
            super().__init__(uri)
        self._sent: dict[tuple[str, str], Any] = {}
        self._lock = Lock()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return found if name.startswith("_") or not callable(found) else partial(self._ask, found)

    def _ask(self, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        with self._patience.asking(), _answer_of(call.__name__):
            return call(*args, **named)

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        with self._patience.asking(Path(local_path).stat().st_size):
            super().log_artifact(run_id, local_path, artifact_path)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> None:
        with self._lock:
            if self._sent.get((run_id, key)) != value:
                super().set_tag(run_id, key, value, synchronous)
                self._sent[run_id, key] = value

    def log_inputs(self, run_id: str, datasets: list[DatasetInput]) -> None:
        _shared(partial(super().log_inputs, run_id, datasets))

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        _shared(partial(super().set_experiment_tag, experiment_id, key, value))


@contextmanager
def _answer_of(what: str) -> Iterator[None]:
    """Inside, whatever goes wrong is the store's."""
    try:
        yield
    except STORE_ERRORS:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        of_user = "MLFLOW_" in said  # a variable's value
        raise MlflowException(said if of_user else f"{what}: no answer of MLflow's: {said}") from error


def _shared(write: Callable[[], Any]) -> None:
    """Write what belongs to the whole experiment.

    MLflow looks whether it is there and then inserts it; where another machine was faster in between, the database
    refuses it, and the next attempt finds it there.
    """
    for race in range(1, RACES + 1):
        try:
            write()
            return
        except MlflowException as error:
            if error.error_code != "BAD_REQUEST" or race == RACES:  # what MLflow makes of the database's refusal
                raise


def create_database(file: Path, artifacts: Path) -> None:
    """Create MLflow's tables in an empty database, and its default experiment, with a URI as the place of its files.

    MLflow alone would take a path and put it into SQL as `repr` writes it, which a folder with quotes in its name ends.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # slow, and only where there is no database

    _quiet()
    SqlAlchemyStore(f"sqlite:///{file}", artifacts.as_uri())


def upgrade(file: Path, again: Path) -> bool:
    """Write a database of an older MLflow anew to `again`, for this one; False where it is of this one already.

    Raises one of STORE_ERRORS, or alembic's CommandError, where it is of another MLflow still.
    """
    from mlflow.store.db import utils

    engine = create_engine(f"sqlite:///{file}")
    try:
        if utils._get_schema_version(engine) == utils._get_latest_schema_revision():
            return False
    finally:
        engine.dispose()
    _quiet()
    shutil.copyfile(file, again)
    engine = create_engine(f"sqlite:///{again}")
    try:
        utils._upgrade_db(engine)
    finally:
        engine.dispose()
    return True


def _quiet() -> None:
    """Lines on stderr that look like errors."""
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
