"""Requests to a language model and its answers, as values: how a schema is asked for, and how an answer is doubted.

Pure. What a doubt says holds nothing of the answer, which is made of a document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

Form = Literal["json_schema", "json_object", "words"]
"""How structured output is asked for."""

FORMS: tuple[Form, ...] = ("json_schema", "json_object", "words")
"""The surest first."""

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(?P<inner>.*?)\n?\s*```\s*\Z", re.DOTALL)
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)

_TURNS = re.compile(
    r"<(?=\|)|<(?=/?(?:start_of_turn|end_of_turn|s|bos|eos|think)>)|<(?=</?SYS>)|\[(?=/?INST\])", re.IGNORECASE
)
"""Where a mark begins by which templates of chats tell turns apart: a server takes it for one wherever it stands."""


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Completion:
    """An answer that was checked.

    Attributes:
        text: as it came.
        parsed: what the schema asked for; None where none was given or the answer does not fit.
        prompt_tokens: as the endpoint counted them, else a guess.
        completion_tokens: likewise.
        model: the name that the endpoint gives its model.
        finish_reason: `stop`, `length` where max_tokens cut it off, or what else the endpoint says.
        problem: why `parsed` is None although a schema was given; holds nothing of the answer.
    """

    text: str
    parsed: Any | None
    prompt_tokens: int
    completion_tokens: int
    model: str
    finish_reason: str
    problem: str = ""

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut off by the limit on its length."""
        return self.finish_reason == "length"

    @property
    def tokens(self) -> int:
        """All tokens that the endpoint charges for."""
        return self.prompt_tokens + self.completion_tokens

    def with_tokens(self, prompt_tokens: int, completion_tokens: int) -> Completion:
        """Return the same answer at another price."""
        return replace(self, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)


@dataclass
class Answer:
    """What came over the wire, whole or as far as it has come.

    Attributes:
        model: the name that the endpoint gives its model.
        finish_reason: empty until the end.
        usage: prompt and completion tokens, where the endpoint says.
    """

    model: str = ""
    finish_reason: str = ""
    usage: tuple[int, int] | None = None
    _pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self._pieces)

    def add(self, event: Any) -> str:
        """Take in one event of a stream; returns its text.

        Args:
            event: the client's, whose fields it has not checked.
        """
        choices = getattr(event, "choices", None) or []
        self.model = self.model or str(getattr(event, "model", None) or "")
        usage = getattr(event, "usage", None)
        self.usage = (
            _usage(getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)) or self.usage
        )
        if not choices:
            return ""
        reason = getattr(choices[0], "finish_reason", None)
        self.finish_reason = reason if isinstance(reason, str) else self.finish_reason
        return self.take(getattr(getattr(choices[0], "delta", None), "content", None))

    def take(self, text: Any) -> str:
        """Add text, if it is text."""
        if not isinstance(text, str):
            return ""
        self._pieces.append(text)
        return text


@dataclass(frozen=True)
class Asked:
    """Messages and parameters of a request."""

    messages: list[Message]
    params: dict[str, Any]


def request_of(messages: Sequence[Message], schema: Mapping[str, Any] | None, form: Form | None) -> Asked:
    """Say how a request asks for a schema.

    Args:
        messages: of the conversation.
        schema: that the answer has to fit, if any.
        form: how it is asked for.
    """
    asked = list(messages)
    if schema is None or form is None:
        return Asked(asked, {})
    if form == "json_schema":
        named = {"name": "answer", "schema": dict(schema), "strict": True}
        return Asked(asked, {"response_format": {"type": "json_schema", "json_schema": named}})
    words = (
        "Answer with one JSON object and nothing else. It has to fit this JSON Schema:\n"
        f"{json.dumps(schema, ensure_ascii=False, sort_keys=True)}"
    )
    if asked and asked[0]["role"] == "system":
        asked[0] = {"role": "system", "content": f"{asked[0]['content']}\n\n{words}"}
    else:
        asked.insert(0, {"role": "system", "content": words})
    return Asked(asked, {"response_format": {"type": "json_object"}} if form == "json_object" else {})


def inert(text: str) -> str:
    """Break up the marks of turns, so that a text stays in the message that it is laid into.

    A server that knows such a mark takes it for the end of the message, and what follows for somebody else's words.

    Args:
        text: data, as a document or a passage.
    """
    return _TURNS.sub(lambda mark: mark[0] + " ", text)


def guess_tokens(messages: Sequence[Message]) -> int:
    """Guess at tokens: four bytes each, which is about right for English and Japanese alike, and some for each turn."""
    return sum(len(message["content"].encode(errors="replace")) // 4 + 8 for message in messages)


def read_completion(body: Any) -> Answer:
    """Take an answer apart and doubt it.

    Args:
        body: the decoded JSON.

    Raises:
        ValueError: it is not what a chat completion must be.
    """
    try:
        choice = body["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        content, refusal = message.get("content"), message.get("refusal")
    except (AttributeError, KeyError, IndexError, TypeError):
        raise ValueError("an answer of another shape") from None
    if not isinstance(content, str) and not isinstance(refusal, str):
        raise ValueError("an answer without text")  # noqa: TRY004  # As all doubts are.
    counted = body.get("usage")
    usage = (
        _usage(counted.get("prompt_tokens"), counted.get("completion_tokens")) if isinstance(counted, dict) else None
    )
    refused = isinstance(refusal, str) and bool(refusal)
    answer = Answer(str(body.get("model") or ""), "refusal" if refused else str(reason or "stop"), usage)
    answer.take(content)
    return answer


def _usage(prompt: Any, completion: Any) -> tuple[int, int] | None:
    if type(prompt) is not int or type(completion) is not int:
        return None
    return max(0, prompt), max(0, completion)


def judged(answer: Answer, schema: Mapping[str, Any] | None, guessed: int) -> Completion:
    """Compare an answer with the schema that was asked for.

    Args:
        answer: that has ended.
        schema: that it has to fit, if any.
        guessed: tokens of the prompt, where the endpoint does not say.
    """
    prompt_tokens, completion_tokens = answer.usage or (guessed, len(answer.text.encode(errors="replace")) // 4 + 1)
    parsed, problem = (None, "") if schema is None else parse(answer.text, schema)
    if parsed is None and schema is not None and answer.finish_reason == "length":
        problem = "cut off by max_tokens"
    return Completion(
        answer.text, parsed, prompt_tokens, completion_tokens, answer.model, answer.finish_reason, problem
    )


def parse(text: str, schema: Mapping[str, Any]) -> tuple[Any | None, str]:
    """Read JSON out of an answer and compare it with a schema.

    Args:
        text: perhaps in a fence, or behind a model's thoughts.
        schema: a JSON Schema of an object.

    Returns:
        What fits, or None and why it does not.
    """
    plain = _THOUGHT.sub("", text)
    fenced = _FENCE.match(plain)
    try:
        found = json.loads(fenced["inner"] if fenced else plain, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None, "not JSON"
    return fitting(found, schema)


def fitting(value: Any, schema: Mapping[str, Any]) -> tuple[Any | None, str]:
    """Compare a value with a schema; returns it, or None and where it does not fit.

    Args:
        value: decoded JSON.
        schema: a JSON Schema.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry

    nothing_remote: Registry[Any] = Registry()  # By default a reference to another server would be fetched.
    try:
        first = next(iter(Draft202012Validator(dict(schema), registry=nothing_remote).iter_errors(value)), None)
    except RecursionError:
        return None, "nested too deeply"
    if first is not None:  # The message itself would quote the value; a path may hold keys that the model made up.
        path = ".".join(str(step) for step in first.absolute_schema_path)
        return None, f"does not fit the schema at {path[:120]}"
    return value, ""


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
