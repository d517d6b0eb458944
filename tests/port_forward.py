"""What stands in for `kubectl port-forward KIND/NAME :PORT`: a web server that answers as the pod would.

A Deployment or pod that is named in the file NOT_ANSWERING answers 503.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main(arguments: list[str]) -> None:
    position = arguments.index("port-forward")
    deployment, port = arguments[position + 1].rpartition("/")[2], arguments[position + 2].removeprefix(":")
    broken = deployment in Path(os.environ["NOT_ANSWERING"]).read_text().splitlines()

    class Pod(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if broken else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pod)
    print(f"Forwarding from 127.0.0.1:{server.server_port} -> {port}", flush=True)  # noqa: T201 - as kubectl says it
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
