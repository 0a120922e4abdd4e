"""A stand-in for an embedding service: OpenAI's wire format, a known latency, no model.

Runs as a process of its own, on the loopback interface only. A request is answered a fixed
time after it arrived (so much for the request and so much for each text), however many
others are in flight, and building the answer happens inside that time. A text's vector is
derived from its hash: the same in every run, of unit length, different for different
texts. `/stats` says what was asked for since the last `/reset`, which is how the benchmark
knows what an engine embedded without believing the engine.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import socket
import time
from dataclasses import asdict, dataclass, field
from functools import lru_cache

import numpy as np
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MODEL = "fake-embedding"
_CACHED_VECTORS = 100_000


@dataclass
class Stats:
    """Counters since the last reset."""

    requests: int = 0
    texts: int = 0
    largest_batch: int = 0
    most_in_flight: int = 0


@dataclass
class Endpoint:
    """The service: its latency, its default dimensions and what it has counted.

    Attributes:
        seconds_per_request: Delay of every request.
        seconds_per_text: Added for each text of a request.
        dimensions: Length of a vector unless a request asks for another.
    """

    seconds_per_request: float
    seconds_per_text: float
    dimensions: int
    stats: Stats = field(default_factory=Stats)
    in_flight: int = 0

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/embeddings", self.embed, methods=["POST"]),
                Route("/v1/models", self.list_models, methods=["GET"]),
                Route("/stats", self.show_stats, methods=["GET"]),
                Route("/reset", self.reset, methods=["POST"]),
            ]
        )

    async def embed(self, request: Request) -> Response:
        """Answer after the configured delay, or with 400 if the input is not text."""
        arrived = time.perf_counter()
        body = orjson.loads(await request.body())
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return _json({"error": {"message": "input must be a string or strings"}}, status=400)
        self.in_flight += 1
        self.stats.requests += 1
        self.stats.texts += len(texts)
        self.stats.largest_batch = max(self.stats.largest_batch, len(texts))
        self.stats.most_in_flight = max(self.stats.most_in_flight, self.in_flight)
        try:
            answer = _answer(
                texts,
                dimensions=int(body.get("dimensions") or self.dimensions),
                encoding=str(body.get("encoding_format") or "float"),
                model=str(body.get("model") or MODEL),
            )
            delay = self.seconds_per_request + self.seconds_per_text * len(texts)
            await asyncio.sleep(max(0.0, arrived + delay - time.perf_counter()))
        finally:
            self.in_flight -= 1
        return Response(answer, media_type="application/json")

    async def list_models(self, _: Request) -> Response:
        """The one model there is."""
        return _json({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def show_stats(self, _: Request) -> Response:
        """The counters."""
        return _json(asdict(self.stats))

    async def reset(self, _: Request) -> Response:
        """Start counting from zero."""
        self.stats = Stats()
        return _json(asdict(self.stats))


def _json(value: object, *, status: int = 200) -> Response:
    return Response(orjson.dumps(value), media_type="application/json", status_code=status)


def _answer(texts: list[str], *, dimensions: int, encoding: str, model: str) -> bytes:
    items = b",".join(
        b'{"object":"embedding","index":%d,"embedding":%b}' % (index, _encoded_vector(text, dimensions, encoding))
        for index, text in enumerate(texts)
    )
    tokens = sum(len(text) for text in texts) // 4
    usage = orjson.dumps({"prompt_tokens": tokens, "total_tokens": tokens})
    return b'{"object":"list","model":%b,"usage":%b,"data":[%b]}' % (
        orjson.dumps(model),
        usage,
        items,
    )


@lru_cache(maxsize=_CACHED_VECTORS)
def _encoded_vector(text: str, dimensions: int, encoding: str) -> bytes:
    """The JSON value of one text's vector: a string for base64, else an array."""
    digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    raw = np.frombuffer(digest, dtype="<i2").astype(np.float32)
    vector = raw / np.linalg.norm(raw)
    if encoding == "base64":
        return b'"' + base64.b64encode(vector.astype("<f4").tobytes()) + b'"'
    return orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY)


def main() -> None:
    """Bind, print the port, serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free port")
    parser.add_argument("--delay-ms-request", type=float, default=50.0)
    parser.add_argument("--delay-ms-text", type=float, default=0.5)
    parser.add_argument("--dimensions", type=int, default=384)
    options = parser.parse_args()
    endpoint = Endpoint(
        seconds_per_request=options.delay_ms_request / 1000,
        seconds_per_text=options.delay_ms_text / 1000,
        dimensions=options.dimensions,
    )
    listener = socket.create_server(("127.0.0.1", options.port), backlog=256)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(endpoint.application(), log_level="warning", access_log=False, timeout_keep_alive=600)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
