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
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

Answer = tuple[int, dict[str, str], Any]
"""Status, headers, body."""


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
        script: answers to give instead, one a request; None entries are answered properly.
        refuses: says for a text whether a request that holds it gets a 400.
        max_inputs: larger requests get a 413.
        url: base URL, once it runs.
    """

    dimensions: int = 32
    model: str = "fake-embeddings"
    requests: list[list[str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    script: list[Answer | Callable[[Answer], Answer] | None] = field(default_factory=list)
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

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        """Answer one request."""
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        with self._lock:
            self.requests.append(texts)
            self.headers.append(headers)
            scripted = self.script.pop(0) if self.script else None
        proper = self._proper(texts, body)
        if callable(scripted):
            return scripted(proper)
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


@contextmanager
def serve(server: EmbeddingServer) -> Iterator[EmbeddingServer]:
    """Run a server on loopback for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, answer = server.answer(body, dict(self.headers.items()))
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

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}/v1"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
