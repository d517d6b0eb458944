"""Prometheus and Alertmanager as processes, and small servers of our own around them: each on a free port of 127.0.0.1.

Whoever starts one stops it, by its process; none outlives its test.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests import tools

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0


class Call(NamedTuple):
    """One request that somebody made of a server of ours; the names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class ServerFailedError(RuntimeError):
    """A server ended, or did not become ready."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Web:
    """A server of ours: what `answer` gives for a request is the body of its reply, and None a refusal."""

    def __init__(self, answer: Callable[[Call], str | None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_arguments: object) -> None:
                """Keep quiet."""

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reply = answer(Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                with suppress(ConnectionError):  # whoever asked may have lost patience
                    self.send_response(404 if reply is None else 200)
                    self.end_headers()
                    self.wfile.write((reply or "").encode())

            def do_POST(self) -> None:
                self.do_GET()

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.address = f"{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running(name: str, arguments: list[str], folder: Path) -> Iterator[str]:
    """Run Prometheus or Alertmanager in a folder of `tools.unprivileged()`, and give its address once it is ready."""
    address = f"{HOST}:{free_port()}"
    command = [tools.tool(name), f"--web.listen-address={address}", *arguments]
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, **tools.unprivileged())
    try:
        until(lambda: _ready(process, address), lambda: log.read_text("utf-8"))
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], address: str) -> bool:
    if process.poll() is not None:
        message = f"exit code {process.returncode}"
        raise ServerFailedError(message)
    try:
        return _request(address, "/-/ready", None)[0] == HTTPStatus.OK
    except OSError:
        return False


def _request(address: str, path: str, body: object) -> tuple[int, bytes]:
    connection = HTTPConnection(address, timeout=10)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def until(wanted: Callable[[], object], otherwise: Callable[[], object]) -> None:
    """Wait until something is so; `otherwise` says what is, if it never comes to be."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted():
        if time.monotonic() > deadline:
            message = f"waited in vain; there is: {otherwise()}"
            raise ServerFailedError(message)
        time.sleep(0.1)


def ask(address: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """Ask a server for JSON; with a body, post it."""
    status, content = _request(address, path, body)
    if status != HTTPStatus.OK:
        raise ServerFailedError(content.decode())
    return json.loads(content) if content else None
