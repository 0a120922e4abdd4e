"""A good model, as far as profiles are concerned: what it says of a document, and a workbench that asks it."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assets.llm import Llm
from assets.workbench import Workbench
from tests.fakes.http_wire import Answer
from tests.fakes.llm_server import Body, LlmServer


def data_of(body: Body) -> str:
    """Return the text between the marks of a question."""
    marked = r"\[begin [^\]]+ (\w{16})\]\n(.*)\n\[end [^\]]+ \1\]\nDescribe it as JSON\."
    found = re.fullmatch(marked, body["messages"][-1]["content"], re.DOTALL)
    assert found, "a document stands between marks"
    return found[2]


def _in_words(body: Body) -> str:
    """Return the schema as it is told where a server is not asked for structured output by it."""
    return str(body["messages"][0]["content"]).rpartition("JSON Schema:\n")[2]


def describe(body: Body) -> str:
    """Describe a text as a good model would, with one entity that is not in it."""
    text = data_of(body)
    form = body.get("response_format") or {}
    told = form["json_schema"]["schema"] if "json_schema" in form else json.loads(_in_words(body))
    wanted = told["properties"]
    japanese = "水" in text
    said: dict[str, Any] = {
        "title": "水門の点検" if japanese else "About the gate",
        "summary": "水位が高いときの手順を述べる。" if japanese else f"It begins with {text.split()[0]}.",
        "keywords": ["水門"] if japanese else ["gate", "water"],
        "entities": [
            {"name": "水門" if japanese else text.split()[0], "type": "other"},
            {"name": "Mr Nobody", "type": "person"},
        ],
        "kind": "procedure" if japanese or "gate" in text.lower() else "notice",
        "language": "ja" if japanese else "en",
    }
    said |= {name: None for name in wanted if name not in said}
    due = re.search(r"until (\d{4}-\d\d-\d\d)", text)
    if "deadline" in wanted and due:
        said["deadline"] = {"value": due[1], "quote": due[0]}
    return json.dumps({name: said[name] for name in wanted}, ensure_ascii=False)


@dataclass
class HeldLlm(LlmServer):
    """A model that can hold its answers back.

    Attributes:
        holds: says to which questions, by their number from 1.
        held: questions that wait for their answer.
        peak: how many questions were under way at once, at the most; those that are held count.
    """

    says: Callable[[Body], str] = describe
    holds: Callable[[int], bool] = lambda number: False
    held: list[Body] = field(default_factory=list)
    peak: int = 0
    _now: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _open: threading.Event = field(default_factory=threading.Event)

    def answer(self, body: Body, headers: dict[str, str]) -> Answer:
        """Answer one request, once it may."""
        with self._counting:
            self._now += 1
            number = next(self._numbers)
            self.peak = max(self.peak, self._now)
        answered = super().answer(body, headers)
        if not self._open.is_set() and self.holds(number):
            self.held.append(body)
            self._open.wait()
        with self._counting:
            self._now -= 1
        return answered

    def open(self) -> None:
        """Answer what is held, and everything from now on."""
        self._open.set()

    @property
    def asked(self) -> list[str]:
        """The texts that were asked about, in order."""
        return [data_of(body) for body in list(self.bodies)]


def with_llm(bench: Workbench, llm: LlmServer, **declared: Any) -> Workbench:
    """Declare a server as the LLM of a workbench."""
    settings = {"base_url": llm.url, "model": "fake", "deadline_seconds": 5.0}
    bench.llm = Llm.model_validate(settings | declared)
    return bench
