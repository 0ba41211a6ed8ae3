"""What a store elsewhere is asked in milliseconds, without MLflow, over the connection that its client would make."""

import json
import os
import socket
import warnings
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cnnviz.tracking.server.address import on_http, without_proxy
from cnnviz.tracking.server.patience import Patience, in_time

API = "/api/2.0/mlflow"
LIMIT = 4.0  # seconds that a store may take to answer
LARGEST = 20_000_000  # bytes of an answer
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
T = TypeVar("T")


def has(uri: str, experiment: str, runs: list[str]) -> bool:
    """Whether the server has all these runs, complete and current, and no run that is not whole.

    Raises OSError where nobody answers in time. A server that answers anything else has not: MLflow's own client asks
    it later.
    """

    def search(condition: str) -> set[str]:
        query = {"experiment_ids": [experiment], "filter": condition, "max_results": 1000}
        return {run["info"]["run_id"] for run in json.loads(_answer(f"{uri}{API}/runs/search", query)).get("runs", [])}

    def ask() -> bool:
        whole = "tags.complete = 'true' AND tags.current = 'true'"
        return set(runs) <= search(whole) and not search("tags.complete = 'false'")

    without_proxy(uri)
    try:
        return _soon(ask)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # no JSON, or of another shape
        return False


def runs(uri: str) -> list[dict[str, Any]]:
    """Id, name, experiment, tags and params of all whole runs.

    Raises OSError where nobody answers in time, or anything else than MLflow.
    """

    def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        every = json.loads(_answer(f"{uri}{API}/experiments/search", {"max_results": 1000})).get("experiments", [])
        query: dict[str, Any] = {"experiment_ids": [one["experiment_id"] for one in every], "max_results": 200}
        query["filter"] = "tags.complete = 'true'"
        while True:
            page = json.loads(_answer(f"{uri}{API}/runs/search", query))
            for info, data in ((run["info"], run.get("data", {})) for run in page.get("runs", [])):
                tags, params = ({x["key"]: x["value"] for x in data.get(kind, [])} for kind in ("tags", "params"))
                about = {"id": info["run_id"], "name": info.get("run_name", ""), "experiment": info["experiment_id"]}
                found.append(about | {"tags": tags, "params": params})
            if not page.get("next_page_token"):
                return found
            query["page_token"] = page["next_page_token"]

    without_proxy(uri)
    try:
        return _soon(ask)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OSError(f"no answer of MLflow's: {error}") from error


def reach(uri: str) -> None:
    """Raise OSError with the reason where a store elsewhere does not answer in time, whatever it answers."""

    def connect() -> None:
        parts = urlsplit(uri)
        port = parts.port or PORTS[_database(uri)]
        with closing(socket.create_connection((parts.hostname or "", port), LIMIT)):
            pass

    if on_http(uri):
        without_proxy(uri)
        try:
            _soon(lambda: _answer(f"{uri}{API}/experiments/get?experiment_id=0"))
        except ValueError as error:
            raise OSError(str(error)) from error
    elif _names_one_host(uri):
        _soon(connect)


def _soon(work: Callable[[], T]) -> T:
    patience = Patience(LIMIT, 2 * LIMIT)

    def asked() -> T:
        with patience.asking():
            return work()

    return in_time(asked, patience)


def _answer(url: str, query: Any = None) -> bytes:
    """What comes back, of any status. Raises OSError where that does not end, and ValueError for a bad redirection."""
    import requests

    body, method = bytearray(), "GET" if query is None else "POST"
    with requests.request(method, url, json=query, timeout=LIMIT, **_asked()) as answer:
        for part in answer.iter_content(100_000):
            body += part
            if len(body) > LARGEST:
                raise OSError(f"an answer of more than {LARGEST // 10**6} MB")
    return bytes(body)


def _database(uri: str) -> str:
    return uri.partition(":")[0].partition("+")[0]


def _names_one_host(uri: str) -> bool:
    try:
        return _database(uri) in PORTS and bool(urlsplit(uri).hostname and (urlsplit(uri).port or True))
    except ValueError:  # several hosts of PostgreSQL, and what only its driver can judge
        return False


def _asked() -> dict[str, Any]:
    """What each request is made with: certificates, user and token, from where MLflow's client takes them."""
    warnings.filterwarnings("ignore", message="Unverified HTTPS request")  # once for each, of who asked for that
    environment = os.environ.get
    headers = {}
    user, password = environment("MLFLOW_TRACKING_USERNAME"), environment("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        headers["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    elif token := environment("MLFLOW_TRACKING_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    insecure = environment("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    verify = environment("MLFLOW_TRACKING_SERVER_CERT_PATH") or not insecure
    cert = environment("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    return {"headers": headers, "verify": verify, "cert": cert, "stream": True}
