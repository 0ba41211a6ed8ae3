"""Servers that are none, and addresses that are none: a line each, in time. With MLflow's real client."""

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from cnnviz.tracking import server, target
from cnnviz.tracking.server import address, asking
from cnnviz.tracking.server.patience import Patience, in_time
from tests.tracking import broken

pipeline = pytest.mark.pipeline

NONE = {
    "http://[::1": "Invalid IPv6 URL",
    "http://": "no name of a server",
    "http:///x": "no name of a server",
    "http:/host": "no name of a server",
    "http://:5000": "no name of a server",
    "https://user@:5000": "no name of a server",
    "http://host:99999": "Port out of range",
    "http://host:abc": "'abc'",
    "http://exa mple:5000": "a space",
    "http://a\nb": "a control character",
    "http://\udcff": "a control character",
    "http://..": "label empty or too long",
    f"http://{'a' * 70}.org": "label empty or too long",
    "localhost:5000": "no scheme; expected http://localhost:5000 or https://localhost:5000",
    "server:5000/mlflow": "no scheme; expected http://server:5000/mlflow",
    "http://host:5000/#/experiments/1": "more than the server's address; expected http://host:5000",
    "http://host:5000/mlflow?a=b": "more than the server's address; expected http://host:5000/mlflow",
    "sqlite://mlflow.db": "expected sqlite:///folder/mlflow.db",
    "sqlite:///": "expected sqlite:///folder/mlflow.db",
    "mlruns": "a folder of files, which MLflow has given up; expected sqlite:////folder/mlflow.db",
    "file:///x": "or MLFLOW_ALLOW_FILE_STORE=true",
}


def test_of_a_long_error_the_reason_stays() -> None:
    from mlflow.exceptions import MlflowException
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine("sqlite://")
    with engine.connect() as database, pytest.raises(SQLAlchemyError) as caught:
        database.execute(text("SELECT :a FROM nowhere"), {"a": "x" * 5000})
    for error in (caught.value, MlflowException(str(caught.value))):
        assert server.reason(error, "sqlite://").endswith("no such table: nowhere")
    said = server.reason(MlflowException(f"API failed: 500 {'<p>' * 900} no space left on device"), "http://h")
    assert said.startswith("API failed: 500 <p>")
    assert said.endswith(" no space left on device")
    assert len(said) == 200
    trace = "Traceback (most recent call last):\n  File 'x'\n" + "    y\n" * 900 + "ValueError: the reason\n"
    assert server.reason(trace, "http://h") == "ValueError: the reason"


@pytest.mark.parametrize("uri", NONE)
def test_an_address_that_is_none_is_said(uri: str) -> None:
    assert NONE[uri] in (server.fault(uri) or "")


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "http://host",
            "HTTPS://me:secret@host:5000/mlflow",
            "http://[::1]:5000",
            "http://ä.org",
            "sqlite:////a b/ä.db",
        ),
        *("postgresql://h1:1,h2:2/x", "mysql+pymysql://h/x", "databricks", "C:/mlruns"),
    ],
)
def test_an_address_that_may_be_one_is_left_to_mlflow(uri: str) -> None:
    assert server.fault(uri) is None


@pytest.mark.parametrize("uri", ["mlruns", "file:///x"])
def test_folders_of_files_are_left_to_whoever_wants_them(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "True")
    assert server.fault(uri) is None


def test_a_database_that_can_be_none_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    said = {"nodir/x.db": f"there is no folder {tmp_path}/nodir; make it", "new.db": None}
    said |= dict.fromkeys(("folder", "pipe", "link"), "no database but something else has this name")
    for name, fault in said.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / name}")
        assert target.target().fault == fault
        assert not target.in_sqlite(tmp_path / name, [])


def test_no_password_is_shown_whatever_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for uri in (
        *("http://me:secret@h:5000", "http://me:se@secret@h", "http://me:secret@[::1", "postgresql://:secret@h/x"),
        *("postgresql://h/x?user=me&password=secret&a=b", "http://me:secret@h:99999/"),
    ):
        assert "secret" not in server.public(uri)
        assert "secret" not in server.reason(OSError(f"cannot connect to {uri}"), uri)
    assert server.page("https://me:se@cret@h:5000/x") == "https://h:5000/x"
    uri = "postgresql://me:secret@h/x"
    assert server.reason(OSError("user me, password secret"), uri) == "user me, password …"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "to\nken")
    assert server.reason(ValueError("header value: " + repr("Bearer to\nken")), uri) == "header value: 'Bearer …'"
    assert server.public("http://me@h:5000/x") == "http://me@h:5000/x"
    assert "\n" not in server.public("http://a\nb")


def test_only_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    for uri, expected in (
        ("http://127.0.0.1:5000", "one.org,127.0.0.1"),
        ("http://[::1]:5000", "one.org,::1"),
        ("https://localhost", "one.org,localhost"),
        ("http://server:5000", "one.org"),
        ("http://10.0.0.1", "one.org"),
    ):
        monkeypatch.setenv("no_proxy", "one.org")
        for _ in range(2):
            address.without_proxy(uri)
        assert os.environ["no_proxy"] == expected


def test_an_own_server_is_reached_whatever_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with broken.listening(broken.from_the_start(broken.http(b"{}"))) as uri:
        server.reach(uri)
        assert not asking.has(uri, "1", ["a run"])


# ---- time


def test_each_answer_has_its_time_however_it_comes() -> None:
    patience = Patience(0.3, 60)

    def drip() -> None:
        with patience.asking():
            time.sleep(5)

    def well() -> str:
        for _ in range(8):  # of all answers together that is more than one may take
            with patience.asking():
                time.sleep(0.05)
        time.sleep(0.5)  # the store is not asked
        return "done"

    start = time.monotonic()
    with pytest.raises(OSError, match="no whole answer in 0 s"):
        in_time(drip, patience)
    assert time.monotonic() - start < 2
    assert in_time(well, Patience(0.3, 60)) == "done"
    with pytest.raises(OSError, match=r"not done after 0 s; what is logged stays"):
        in_time(well, Patience(5, 0.2))
    with pytest.raises(TimeoutError, match="its own"):
        in_time(lambda: _raise(TimeoutError("its own")), patience)


def _raise(error: Exception) -> None:
    raise error


def test_a_large_file_has_more_time_and_what_is_asked_inside_its_own() -> None:
    patience = Patience(0.2, 60)
    with patience.asking(size=10**6):
        time.sleep(0.3)
        assert patience.over() is None
        for _ in range(3):
            with patience.asking():
                time.sleep(0.1)
                assert patience.over() is None
    with patience.asking():
        time.sleep(0.3)
        assert patience.over() is not None


def test_a_request_timeout_of_the_users_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, each in (("60", 60), ("no number", 6), ("0", 1)):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", given)
        assert (Patience.of_sync().each, Patience.of_sync().total) == (each, 50 * each)


# ---- servers that are broken, 40 ways, from the first question and from the second


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LIMIT", 0.5)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pipeline
@pytest.mark.usefixtures("impatient")
def test_whatever_a_server_answers_is_one_line_in_time(capfd: pytest.CaptureFixture[str]) -> None:
    from cnnviz.tracking.content import Content
    from cnnviz.tracking.store import STORE_ERRORS, Store

    def logged(uri: str) -> str:
        return Store(uri, None, False, {}, patience).make("run", {"kind": "a", "dvc.lock_key": "b"}, Content(), (0, 1))

    for kind, answer in broken.KINDS.items():
        with broken.listening(broken.from_the_start(answer)) as uri:
            start = time.monotonic()
            with suppress(OSError):
                server.reach(uri)
            assert time.monotonic() - start < 2.5, kind
        with broken.listening(broken.from_the_start(answer)) as uri:  # what MLflow's client makes of it
            start, patience = time.monotonic(), Patience(0.5, 5)
            with pytest.raises(STORE_ERRORS) as caught:
                in_time(lambda uri=uri: logged(uri), patience)  # type: ignore[misc]
            assert time.monotonic() - start < 2.5, kind
            assert said(caught.value, uri), kind
    assert capfd.readouterr() == ("", "")


def said(error: Exception, uri: str) -> str:
    text = server.reason(error, uri)
    assert text.isprintable()
    assert len(text) < 500
    return text


@pipeline
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("says 401", "You are not authenticated.'; MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "),
        ("says 403", "Permission denied; MLFLOW_TRACKING_USERNAME"),
        ("says 503", "too many 503 error responses"),
        ("says 404", "404 Not Found"),
        ("sends a page", "Welcome to nginx!"),
        ("speaks SSH", "no HTTP: SSH-2.0-OpenSSH_9.6"),
        ("redirects in a circle", "Exceeded 30 redirects"),
        ("says more than it sends", "4984 more expected"),
    ],
)
def test_the_reason_is_said(kind: str, expected: str) -> None:
    from cnnviz.tracking.store import STORE_ERRORS, Store

    with broken.listening(broken.from_the_start(broken.KINDS[kind])) as uri, pytest.raises(STORE_ERRORS) as caught:
        Store(uri, None, False, {}, Patience.of_sync())
    assert expected in said(caught.value, uri)


def test_an_answer_without_an_end_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LARGEST", 1_000_000)
    with (
        broken.listening(broken.from_the_start(broken.KINDS["sends a body for ever"])) as uri,
        pytest.raises(OSError, match="an answer of more than 1 MB"),
    ):
        server.reach(uri)


def test_nobody_there_is_said_in_few_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="refused") as caught:
            server.reach(uri)
    assert server.reason(caught.value, uri) == "[Errno 111] Connection refused"


@pipeline
@pytest.mark.parametrize(
    "given",
    [{"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "ä:x"}, {"MLFLOW_TRACKING_TOKEN": "abc"}, {}],
)
def test_the_server_is_asked_as_mlflows_client_asks(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who asks, and with which certificates: the same headers from both."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    heads: list[bytes] = []
    arrived = threading.Lock()

    def keep(connection: socket.socket) -> None:
        with arrived:
            heads.append(broken.request(connection).partition(b"\r\n\r\n")[0])
        broken.http(b"{}")(connection)

    with broken.listening(keep) as uri:
        for own in (uri, uri.replace("//", "//you:word@")):
            heads.clear()
            server.reach(own)
            with suppress(MlflowException):
                MlflowClient(own).get_experiment("1")
            ours, theirs = ([line for line in head.split(b"\r\n") if b"uthorization" in line] for head in heads[:2])
            assert ours == theirs
            assert bool(ours) == bool(given or own != uri)
