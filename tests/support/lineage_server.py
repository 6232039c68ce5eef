"""An HTTP endpoint on this machine that keeps the OpenLineage events that it receives, and can be difficult."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Endpoint:
    """What to answer, and what came in. `statuses` are answered one after the other, then 201.

    With `authorization` every other one is refused with 401. `delay` seconds pass before an answer.
    """

    statuses: list[int] = field(default_factory=list)
    always: int = 201
    authorization: str | None = None
    delay: float = 0.0
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def answer(self, authorization: str | None) -> int:
        """The status of the next answer."""
        if self.authorization is not None and authorization != self.authorization:
            return 401
        return self.statuses.pop(0) if self.statuses else self.always


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[Endpoint]:
    """The endpoint at `endpoint.url`, on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            authorization = self.headers["Authorization"]
            endpoint.requests.append((self.command, self.path, authorization))
            time.sleep(endpoint.delay)
            status = endpoint.answer(authorization)
            if status == 201:
                endpoint.events.append(json.loads(body))
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            endpoint.requests.append((self.command, self.path, None))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that gave up is no error of ours."""

    server = Server(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
