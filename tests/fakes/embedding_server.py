"""An OpenAI-compatible embedding server that counts, and misbehaves when it is told to.

Vectors are made of the words of a text, so that equal texts have equal vectors and texts that share words
are near each other.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

Answer = tuple[int, dict[str, str], Any]
"""Status, headers, body: something for JSON, bytes, or a function that writes what it likes to the connection."""

Scripted = Answer | Callable[[Answer], Answer] | None
"""An answer, or what becomes of the proper one; None leaves it as it is."""


def embed(text: str, dimensions: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the unit vector of a text: a sum of one random direction a word or pair of characters."""
    total = np.zeros(dimensions)
    for word in [*re.findall(r"[a-z0-9]+", text.lower()), *re.findall(r"[぀-ヿ一-鿿]{2}", text)] or ["nothing"]:
        seed = zlib.crc32(word.encode())
        total += np.random.default_rng(seed).standard_normal(dimensions)
    # A trace of the whole text keeps texts of the same words apart.
    total += 0.01 * np.random.default_rng(zlib.crc32(text.encode())).standard_normal(dimensions)
    return (total / np.linalg.norm(total)).astype(np.float32)


@dataclass
class EmbeddingServer:
    """The server's state.

    Attributes:
        dimensions: of its vectors.
        model: what it calls its model.
        requests: the inputs of each request, in order.
        stamps: when each came, on the monotonic clock that all processes share.
        answered: the inputs of the requests that were answered properly, as far as the server knows.
        script: answers to give instead, one a request; None entries are answered properly.
        trouble: asked for each request that finds the script empty.
        refuses: says for a text whether a request that holds it gets a 400.
        max_inputs: larger requests get a 413.
        url: base URL, once it runs.
    """

    dimensions: int = 32
    model: str = "fake-embeddings"
    requests: list[list[str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    answered: list[list[str]] = field(default_factory=list)
    script: list[Scripted] = field(default_factory=list)
    trouble: Callable[[list[str]], Scripted] | None = None
    refuses: Callable[[str], bool] = lambda text: False
    max_inputs: int = 2048
    truncates_at: int | None = None
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """All inputs so far."""
        return [text for request in self.requests for text in request]

    def forget(self) -> None:
        """Start counting from nothing."""
        with self._lock:
            self.requests.clear()
            self.headers.clear()
            self.stamps.clear()
            self.answered.clear()

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        """Answer one request."""
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        with self._lock:
            self.requests.append(texts)
            self.headers.append(headers)
            self.stamps.append(time.monotonic())
            scripted = self.script.pop(0) if self.script else self.trouble(texts) if self.trouble else None
        proper = self._proper(texts, body)
        if callable(scripted):
            return scripted(proper)
        if scripted is None and proper[0] == 200:
            with self._lock:
                self.answered.append(texts)
        return scripted or proper

    def _proper(self, texts: list[str], body: dict[str, Any]) -> Answer:
        if len(texts) > self.max_inputs:
            return 413, {}, {"error": {"message": "too many inputs"}}
        if any(self.refuses(text) for text in texts):
            return 400, {}, {"error": {"message": "this input will not do"}}
        as_floats = body.get("encoding_format") != "base64"
        data = []
        for index, text in enumerate(texts):
            kept = " ".join(text.split()[: self.truncates_at]) if self.truncates_at else text
            vector = embed(kept, int(body.get("dimensions") or self.dimensions))
            value: Any = vector.tolist() if as_floats else base64.b64encode(vector.tobytes()).decode()
            data.append({"object": "embedding", "index": index, "embedding": value})
        tokens = sum(math.ceil(len(text) / 4) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return 200, {}, {"object": "list", "model": self.model, "data": data, "usage": usage}


class QuietServer(ThreadingHTTPServer):
    """A threading server that says nothing of lost connections."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that were reset, which is what some tests are about."""


@contextmanager
def serve(server: EmbeddingServer) -> Iterator[EmbeddingServer]:
    """Run a server on loopback for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, answer = server.answer(body, dict(self.headers.items()))
            with suppress(OSError):  # Whoever asked may have gone.
                self._give(status, headers, answer)

        def _give(self, status: int, headers: dict[str, str], answer: Any) -> None:
            if callable(answer):
                self.close_connection = True
                answer(self)
                return
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    httpd = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}/v1"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
