"""Addresses of stores: which of them are none, and how they are shown. Knows no MLflow."""

import os
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

EXPECTED = "expected an address such as http://server:5000, https://server/mlflow or postgresql://user@server/database"
BRICKS = ("databricks", "databricks-uc", "uc")  # addresses of MLflow's without a scheme
FOLDERS = "MLFLOW_ALLOW_FILE_STORE"
SECRET = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def on_http(uri: str) -> bool:
    """Whether the address is that of an MLflow server, not of a database or a folder."""
    return uri.lower().startswith(("http:", "https:"))


def fault(uri: str) -> str | None:
    """Why the address can't be one, and what is expected; None where it may be. Databases are left to their drivers."""
    if uri.startswith("sqlite:"):  # of a folder of any name
        known = re.match("sqlite:///.", uri)
        return None if known else "no file; expected sqlite:///folder/mlflow.db, or sqlite:////folder/mlflow.db"
    if re.match(r"[^/:]+:\d+(/|$)", uri):
        return f"no scheme; expected http://{uri} or https://{uri}"
    if re.match("file:|[^:]*$", uri) and uri not in BRICKS and not _truth(FOLDERS):
        return f"a folder of files, which MLflow has given up; expected sqlite:////folder/mlflow.db, or {FOLDERS}=true"
    if not on_http(uri):
        return None
    if re.search(r"[\s\x00-\x1f\x7f\ud800-\udfff]", uri):
        return f"a space or a control character in it; {EXPECTED}"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        return f"{' '.join(str(error).split())}; {EXPECTED}"
    if not host or not uri[len(parts.scheme) :].startswith("://"):
        return f"no name of a server; {EXPECTED}"
    if parts.query or parts.fragment or "#" in uri or "?" in uri:
        return f"more than the server's address; expected {re.split('[?#]', uri)[0].rstrip('/')}"
    return None


def _truth(variable: str) -> bool:
    """As MLflow reads its own."""
    return os.environ.get(variable, "").lower() in ("true", "1")


def public(uri: str) -> str:
    """The address without a password, printable."""
    hidden = re.sub(r"(//[^:/@]*):.*@", r"\1:…@", uri)
    hidden = re.sub(r"(password=)[^&]*", r"\1…", hidden, flags=re.IGNORECASE)
    return printable(hidden, 200)


def page(uri: str) -> str:
    """The address of a server as a browser opens it: without the user that MLflow's client logs in as."""
    return re.sub(r"//.*@", "//", uri)


def printable(text: str, longest: int) -> str:
    """Text in one line, of at most so many characters."""
    text = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def passwords(uri: str) -> list[str]:
    """What must not be printed: of an address, and of what MLflow's variables say."""
    found = re.findall(r"//[^:/@]*:(.*)@|password=([^&]*)", uri, flags=re.IGNORECASE)
    secrets = [*(one for pair in found for one in pair), *(os.environ.get(name, "") for name in SECRET)]
    return [form for one in secrets if one for form in (one, repr(one)[1:-1])]


def without_proxy(uri: str) -> None:
    """Ask this machine's own servers without a proxy, MLflow's client too, whatever the environment says of proxies."""
    host = urlsplit(uri).hostname or ""
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if _is_here(host) and excepted != "*" and host not in excepted.split(","):
        os.environ["no_proxy"] = ",".join(filter(None, (excepted, host)))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
