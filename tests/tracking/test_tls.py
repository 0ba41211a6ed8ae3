"""A real MLflow server on HTTPS, with certificates of one's own: MLflow's variables say which of them count."""

import datetime
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.small_project import Project, synced_fixture  # noqa: F401

x509 = pytest.importorskip("cryptography.x509", reason="needs requirements-dev.txt")
pytestmark = pytest.mark.pipeline


def certificates(folder: Path) -> None:
    """`ca.pem`; signed by it `server.pem`, for 127.0.0.1, and `client.pem`, each with its key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "server", "client")}
    now = datetime.datetime.now(datetime.UTC)

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    for name, key in keys.items():
        host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        usage = x509.KeyUsage(True, False, False, False, False, name == "ca", name == "ca", False, False)
        signed = (
            x509.CertificateBuilder(named("ca"), named(name), key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(name == "ca", None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["ca"].public_key()), critical=False)
            .add_extension(host, critical=False)
            .sign(keys["ca"], hashes.SHA256())
        )
        own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(Encoding.PEM) + (b"" if name == "ca" else own))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    certificates(folder)
    return folder


@pytest.fixture(scope="module")
def uri(keys: Path, synced: Project) -> Iterator[str]:
    """A real MLflow server that shows a certificate and wants one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = f"--ssl-certfile {keys}/server.pem --ssl-keyfile {keys}/server.pem"
    wanted = f"--ssl-ca-certs {keys}/ca.pem --ssl-cert-reqs {ssl.CERT_REQUIRED.value}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{keys}/mlflow.db"]
    command += ["--artifacts-destination", str(keys / "files"), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--uvicorn-opts", f"{served} {wanted}"]
    env = synced.env({"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    context.load_cert_chain(keys / "client.pem")
    ask = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    ).open
    with (keys / "log").open("wb") as log:
        child = subprocess.Popen(command, cwd=keys, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while True:
            with suppress(OSError), ask(f"https://127.0.0.1:{port}/health", timeout=2):
                break
            assert child.poll() is None, (keys / "log").read_text()
            assert time.monotonic() < deadline, (keys / "log").read_text()
            time.sleep(0.1)
        yield f"https://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_a_server_with_a_certificate_of_ones_own(synced: Project, uri: str, keys: Path, tmp_path: Path) -> None:
    here = synced.copy(tmp_path / "p")
    signer, own = {"SERVER_CERT_PATH": f"{keys}/ca.pem"}, {"CLIENT_CERT_PATH": f"{keys}/client.pem"}

    def tracked(**given: str) -> str:
        more = {f"MLFLOW_TRACKING_{name}": value for name, value in given.items()}
        done = here.begin("stages.track", MLFLOW_TRACKING_URI=uri, **more).wait()
        assert (done.returncode, done.stderr) == (0, "")
        (line,) = done.stdout.splitlines()
        return line

    said = tracked(**own)
    assert "certificate verify failed" in said
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in said
    assert tracked(**signer).startswith(f"warning: MLflow store {uri}: ")
    assert "invalid path: no/such.pem" in tracked(**own, SERVER_CERT_PATH="no/such.pem")
    assert "invalid path: no/such.pem" in tracked(**signer, CLIENT_CERT_PATH="no/such.pem")
    assert tracked(**own, **signer) == "track: 12 runs made, 12 show what dvc.lock holds"
    assert tracked(**own, **signer) == "track: nothing new"
    assert tracked(**own, INSECURE_TLS="true") == "track: nothing new"
    (here.folder / ".cache" / "tracked.json").unlink()
    assert tracked(**own, INSECURE_TLS="1").startswith("track: 0 runs made")
    links = (here.folder / "artifacts/report-links.html").read_text()
    assert f'"{uri}/#/experiments/' in links
