"""Servers that answer as no MLflow server does: a way to be broken is what is sent to whoever connects."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket], None]


def http(body: bytes, status: str = "200 OK", length: int | None = None, headers: str = "") -> Answer:
    """One whole answer, of any length that it says."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{headers}"
    return lambda connection: connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)


def raw(*parts: bytes) -> Answer:
    return lambda connection: [connection.sendall(part) for part in parts] and None


def endless(start: bytes, part: bytes, pause: float = 0.0) -> Answer:
    """It never ends, and never lets anybody wait for long."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(part)
            time.sleep(pause)

    return answer


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def loop(connection: socket.socket) -> None:
    http(b"", "302 Found", headers="Location: /again\r\n")(connection)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
KINDS: dict[str, Answer] = {
    "hangs": silent,
    "closes": lambda connection: None,
    "resets": reset,
    "drips its status": endless(b"", b"H", 0.5),
    "drips headers": endless(b"HTTP/1.1 200 OK\r\n", b"X", 0.5),
    "drips its body": endless(HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 0.5),
    "goes on for ever with 100": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "sends headers for ever": endless(b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n", 0.001),
    "sends a body for ever": endless(HEAD + b"\r\n[", b'{"a": 0}, ' * 1000, 0.001),
    "sends chunks for ever": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.001),
    "sends no chunks": raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"no length\r\n"),
    "redirects in a circle": loop,
    "redirects to no address": http(b"", "302 Found", headers="Location: http://[::1\r\n"),
    "redirects to a file": http(b"", "302 Found", headers="Location: file:///etc/passwd\r\n"),
    "sends a page": http(b"<!doctype html><html><body>Welcome to nginx!</body></html>"),
    "sends nothing": http(b""),
    "sends half of it": http(b'{"experiment": {"experiment_id": "1", "na'),
    "says more than it sends": http(b'{"experiment": {', length=5000),
    "says less than it sends": http(b'{"experiment": {"experiment_id": "1"}}', length=9),
    "sends what are no headers": raw(b"HTTP/1.1 200 OK\r\nno header\r\n: neither\r\n\r\n", b"{}"),
    "says no number": raw(HEAD + b"Content-Length: many\r\n\r\n{}"),
    "sends a list": http(b"[]"),
    "sends a number for an experiment": http(b'{"experiment": 7}'),
    "sends brackets": http(b"[" * 100_000),
    "sends bytes": http(b"\xff\xfe\x00"),
    "sends what is no gzip": http(b"{}", headers="Content-Encoding: gzip\r\n"),
    "speaks SSH": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "speaks binary": raw(bytes(range(256))),
    **{
        f"says {status[:3]}": http(body, status, headers="Retry-After: 3600\r\n")
        for status, body in (
            ("401 Unauthorized", b"You are not authenticated."),
            ("403 Forbidden", b'{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}'),
            ("404 Not Found", b"<html><title>404 Not Found</title></html>"),
            ("405 Method Not Allowed", b""),
            ("418 I'm a teapot", b"{}"),
            ("429 Too Many Requests", b"slow down"),
            ("500 Internal Server Error", b"<html>oh</html>"),
            ("502 Bad Gateway", b"<html>nginx</html>"),
            ("503 Service Unavailable", b""),
            ("504 Gateway Time-out", b""),
            ("999 No Such Status", b""),
        )
    },
}


def after_one(answer: Answer) -> Answer:
    """The first question is answered well, the next ones are not."""
    asked: list[int] = []

    def answer_in_turn(connection: socket.socket) -> None:
        asked.append(1)
        (from_the_start(http(b"{}") if len(asked) == 1 else answer))(connection)

    return answer_in_turn


def from_the_start(answer: Answer) -> Answer:
    def read_first(connection: socket.socket) -> None:
        request(connection)
        answer(connection)

    return read_first


def request(connection: socket.socket) -> bytes:
    """What is asked, its head at least; all of it, or closing makes a reset of what was answered."""
    asked = b""
    while b"\r\n\r\n" not in asked and (part := connection.recv(65536)):
        asked += part
    return asked


@contextmanager
def listening(answer: Answer) -> Iterator[str]:
    """Address of a server that treats every connection with `answer`; afterwards all of them are cut."""
    connections: list[socket.socket] = []

    def guarded(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # until the other side has gone
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connections.append(server.accept()[0])
                threading.Thread(target=guarded, args=(connections[-1],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            for one in (server, *connections):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
