"""What went wrong, in the words of what noticed it first: requests and MLflow put them last, behind long addresses."""

import re
from http.client import HTTPException
from ssl import SSLCertVerificationError

from cnnviz.tracking.server.address import passwords, printable, public

LONGEST = 200  # characters
BESIDE = re.compile(r"\s*(\[SQL: |\[parameters: |\(Background on this error at: )")  # what SQLAlchemy puts behind
LOGIN = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, say who asks"
CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH names the file with the certificate of who signed it"


def reason(error: object, uri: str) -> str:
    """One line of at most LONGEST characters and what can be done, without the password of `uri`."""
    remedy = ""
    if isinstance(error, BaseException):
        remedy = _remedy(error)
        error = _said(_first(error))
    text = str(error).replace(uri, public(uri))
    for secret in passwords(uri):
        text = text.replace(secret, "…")
    return _short(text) + remedy


def _short(text: str) -> str:
    """In one line; of a longer text the beginning and the end, of a traceback its last line, where the reason is."""
    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback (") for line in lines):
        text = lines[-1]
    text = printable(text, len(text) + 1)
    return text if len(text) <= LONGEST else f"{text[: LONGEST * 3 // 5 - 1]}…{text[-LONGEST * 2 // 5 :]}"


def _said(error: BaseException) -> str:
    if isinstance(error, HTTPException) and not isinstance(error, OSError):
        return f"no HTTP: {error or type(error).__name__}"
    driver = getattr(error, "orig", None)  # what SQLAlchemy's error was made from
    return BESIDE.split(str(driver or error), maxsplit=1)[0] or type(error).__name__


def _remedy(error: BaseException) -> str:
    if isinstance(_first(error), SSLCertVerificationError):
        return f"; {CERTIFICATE}"
    refused = getattr(error, "error_code", None) in ("UNAUTHENTICATED", "PERMISSION_DENIED")
    return f"; {LOGIN}" if refused else ""


def _first(error: BaseException) -> BaseException:
    """The error of the operating system, of TLS or of the connection that this one was made from."""
    seen = [error]
    while inner := next((one for one in _inside(seen[-1]) if one not in seen), None):
        seen.append(inner)
    return next((one for one in reversed(seen) if str(one)), error)


def _inside(error: BaseException) -> list[BaseException]:
    inner = [getattr(error, "reason", None), *error.args[:2], error.__cause__, error.__context__]
    return [one for one in inner if isinstance(one, Exception) and _of_network(one)]


def _of_network(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.startswith(("urllib3", "requests", "http."))
