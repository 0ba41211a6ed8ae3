"""What tests.warm imports once."""

import alembic.command  # noqa: F401
import dvc.cli.parser
import dvc.repo  # noqa: F401
import pytest  # noqa: F401
import scipy.sparse  # noqa: F401

import cnnviz.tracking.runs
import cnnviz.tracking.sync  # noqa: F401

__import__("mlflow.store.tracking.sqlalchemy_store")  # after cnnviz.tracking.store, which sets what MLflow reads
