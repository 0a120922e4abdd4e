"""What the fake endpoints share: a server on loopback, and answers that are scripted down to the connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], Any]
"""Status, headers, body: something for JSON, bytes, or a function that writes what it likes to the connection."""

Scripted = Answer | Callable[[Answer], Answer] | None
"""An answer, or what becomes of the proper one; None leaves it as it is."""

Asked = Callable[[dict[str, Any], dict[str, str]], Answer]
"""Answers a request by its body and headers."""


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that were reset, which is what some tests are about."""


@contextmanager
def served(asked: Asked) -> Iterator[str]:
    """Answer POST requests on loopback for as long as the block lasts.

    Args:
        asked: answers them, in a thread each.

    Returns:
        The base URL.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, answer = asked(body, dict(self.headers.items()))
            with suppress(OSError):  # Whoever asked may have gone.
                self._give(status, headers, answer)

        def _give(self, status: int, headers: dict[str, str], answer: Any) -> None:
            if callable(answer):
                self.close_connection = True
                answer(self)
                return
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    httpd = _QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}/v1"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
