"""An OpenAI-compatible language model server that counts, answers as it is scripted, and misbehaves when told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.http_wire import Answer, Scripted, served

Body = dict[str, Any]


@dataclass
class LlmServer:
    """The server's state.

    Attributes:
        model: what it calls its model.
        says: what it says to a request.
        lacks: kinds of `response_format` that it refuses with a 400.
        refuses_params: parameters that it refuses by name.
        bodies: of the requests so far.
        headers: of the requests so far.
        script: answers to give instead, one a request; None entries are answered properly.
        trouble: asked for each request that finds the script empty.
        delay: seconds before each answer.
        most: how many requests were under way at once, at the most.
        counts: whether it says how many tokens there were.
        url: base URL, once it runs.
    """

    model: str = "fake-llm"
    says: Callable[[Body], str] = lambda body: "The gate is open."
    lacks: frozenset[str] = frozenset()
    refuses_params: frozenset[str] = frozenset()
    bodies: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    script: list[Scripted] = field(default_factory=list)
    trouble: Callable[[Body], Scripted] | None = None
    delay: float = 0.0
    most: int = 0
    counts: bool = True
    url: str = ""
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def prompts(self) -> list[str]:
        """What was asked so far, all turns of a request in one text."""
        return ["\n".join(message["content"] for message in body["messages"]) for body in self.bodies]

    def answer(self, body: Body, headers: dict[str, str]) -> Answer:
        """Answer one request."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            scripted = self.script.pop(0) if self.script else self.trouble(body) if self.trouble else None
        time.sleep(self.delay)
        with self._lock:
            self._under_way -= 1
        if scripted is None or callable(scripted):
            proper = self._proper(body)
            return scripted(proper) if scripted else proper
        return scripted

    def _proper(self, body: Body) -> Answer:
        kind = (body.get("response_format") or {}).get("type")
        for name in self.refuses_params & set(body):
            return 400, {}, {"error": {"message": "unsupported", "param": name, "code": "unsupported_parameter"}}
        if kind in self.lacks:
            return 400, {}, {"error": {"message": f"unknown response_format {kind}"}}
        text = self.says(body)
        most = 4 * int(body.get("max_tokens") or body.get("max_completion_tokens") or 1000)
        reason = "stop" if len(text) <= most else "length"
        return 200, {}, self.completion(text[:most], reason, body)

    def completion(self, text: str, reason: str = "stop", body: Body | None = None) -> Body:
        """Make the body of a proper answer."""
        prompt = sum(len(message["content"]) // 4 for message in (body or {}).get("messages", []))
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": prompt, "completion_tokens": len(text) // 4 + 1}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        } | ({"usage": usage} if self.counts else {})


def events(answer: Body, pieces: int = 4) -> list[bytes]:
    """Cut a proper answer into the events of a stream."""
    text, reason = answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"]
    size = max(1, -(-len(text) // pieces))
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": answer["model"]}
    made: list[Body] = [
        base | {"choices": [{"index": 0, "delta": {"content": text[at : at + size]}, "finish_reason": None}]}
        for at in range(0, len(text), size)
    ]
    made.append(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if "usage" in answer:
        made.append(base | {"choices": [], "usage": answer["usage"]})
    return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in made] + [b"data: [DONE]\n\n"]


def streaming(parts: list[bytes], pause: float = 0.0) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what writes events to the connection, one after the other."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()
            time.sleep(pause)

    return write


@contextmanager
def serve_llm(server: LlmServer) -> Iterator[LlmServer]:
    """Run a server on loopback for as long as the block lasts."""

    def asked(body: Body, headers: dict[str, str]) -> Answer:
        status, more, answer = server.answer(body, headers)
        if body.get("stream") and status == 200 and isinstance(answer, dict) and "choices" in answer:
            answer = streaming(events(answer))
        return status, more, answer

    with served(asked) as server.url:
        yield server
