"""An OpenAI-compatible embedding server that counts, and misbehaves when it is told to.

Vectors are made of the words of a text, so that equal texts have equal vectors and texts that share words
are near each other.
"""

from __future__ import annotations

import base64
import math
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.fakes.http_wire import Answer, Scripted, served


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


@contextmanager
def serve(server: EmbeddingServer) -> Iterator[EmbeddingServer]:
    """Run a server on loopback for as long as the block lasts."""
    with served(server.answer) as server.url:
        yield server
