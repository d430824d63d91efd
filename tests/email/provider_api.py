"""A provider's API on this machine: answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Api:
    """
    What the API answers, and what it was asked.

    Attributes:
        answers: Status and body of the answers to come; the last one is given again and again.
        requests: The headers and the body of each request.
    """

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], str]] = field(default_factory=list)


@contextmanager
def served() -> Iterator[Api]:
    """Serve an API on a free port of the loopback address."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            api.requests.append((dict(self.headers), body))
            status, answer = api.answers.pop(0) if len(api.answers) > 1 else api.answers[0]
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Message-Id", "s-1")  # what MailerSend and SendGrid say in place of a body
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
