"""The LLM endpoint against a server that misbehaves: what is kept, what is tried again, what is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resources import attempts
from resources.attempts import InputRefused
from resources.completions import Completion, Message
from resources.errors import ConfigurationError, EndpointRefused, EndpointUnavailable, SuimonError
from resources.llm_endpoint import LlmEndpoint, Streamed
from tests.fakes.faults import (
    announce_terabytes,
    drip,
    reset_in_mid_body,
    stream_without_end,
)
from tests.fakes.http_wire import Answer, Scripted
from tests.fakes.llm_server import LlmServer, events, serve_llm, streaming

SECRET = "Confidential-Penstock-4711"
ASKED: list[Message] = [
    {"role": "system", "content": "You describe documents."},
    {"role": "user", "content": f"Describe {SECRET}."},
]
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 20}, "pages": {"type": "integer"}},
    "required": ["title", "pages"],
    "additionalProperties": False,
}
FITTING = '{"title": "Gate", "pages": 2}'


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.002)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    """A fake LLM."""
    with serve_llm(LlmServer()) as running:
        yield running


def door(server: LlmServer, **changed: Any) -> LlmEndpoint:
    """Return an endpoint on that server."""
    declared: dict[str, Any] = {
        "api_key": "sk-secret",
        "model": "fake",
        "concurrency": 2,
        "deadline_seconds": 20.0,
    } | changed
    return LlmEndpoint(base_url=server.url, **declared)


def ask(endpoint: LlmEndpoint, schema: dict[str, Any] | None = None, max_tokens: int = 100) -> Completion:
    """Ask once."""
    return endpoint.run(lambda opened: opened.complete(ASKED, schema=schema, max_tokens=max_tokens))


def read_stream(endpoint: LlmEndpoint, seconds: float | None = None) -> tuple[list[str], Streamed]:
    """Ask for an answer in pieces."""

    async def work(opened: LlmEndpoint) -> tuple[list[str], Streamed]:
        streamed = opened.stream(ASKED, max_tokens=100, seconds=seconds)
        return [piece async for piece in streamed], streamed

    return endpoint.run(work)


def formats(server: LlmServer) -> list[str | None]:
    """Return the kinds of structured output that were asked for."""
    return [(body.get("response_format") or {}).get("type") for body in server.bodies]


def test_an_answer_comes_with_its_tokens_and_the_name_of_its_model(server: LlmServer) -> None:
    answer = ask(door(server))
    assert (answer.text, answer.model, answer.finish_reason) == ("The gate is open.", "fake-llm", "stop")
    assert answer.prompt_tokens > 0
    assert answer.completion_tokens > 0
    assert server.bodies[0]["temperature"] == 0
    assert server.bodies[0]["max_tokens"] == 100
    assert {name.lower(): value for name, value in server.headers[0].items()}["authorization"] == "Bearer sk-secret"


def test_tokens_are_guessed_where_the_server_does_not_count(server: LlmServer) -> None:
    server.counts = False
    answer = ask(door(server))
    assert answer.prompt_tokens > 10
    assert answer.completion_tokens == 5


def test_structured_output_is_asked_for_by_its_schema(server: LlmServer) -> None:
    server.says = lambda body: FITTING
    answer = ask(door(server), SCHEMA)
    assert answer.parsed == {"title": "Gate", "pages": 2}
    assert answer.problem == ""
    wanted = server.bodies[0]["response_format"]
    assert wanted["json_schema"]["schema"] == SCHEMA
    assert wanted["json_schema"]["strict"] is True


@pytest.mark.parametrize(
    ("lacks", "forms"),
    [
        ({"json_schema"}, ["json_schema", "json_object"]),
        ({"json_schema", "json_object"}, ["json_schema", "json_object", None]),
    ],
)
def test_a_server_without_structured_output_is_asked_in_words_and_not_tried_again(
    server: LlmServer, lacks: set[str], forms: list[str | None]
) -> None:
    server.lacks = frozenset(lacks)
    server.says = lambda body: f"```json\n{FITTING}\n```"
    endpoint = door(server)
    assert ask(endpoint, SCHEMA).parsed == {"title": "Gate", "pages": 2}
    assert ask(endpoint, SCHEMA).parsed == {"title": "Gate", "pages": 2}
    assert formats(server) == [*forms, forms[-1]]
    assert '"maxLength": 20' in server.bodies[-1]["messages"][0]["content"]


def test_a_server_that_ignores_the_schema_in_silence_is_asked_otherwise_and_all_its_tokens_count(
    server: LlmServer,
) -> None:
    server.says = lambda body: FITTING if "JSON Schema" in body["messages"][0]["content"] else "Here you are!"
    answer = ask(door(server), SCHEMA)
    assert answer.parsed is not None
    assert formats(server) == ["json_schema", "json_object"]
    assert answer.prompt_tokens > sum(len(message["content"]) // 4 for message in server.bodies[1]["messages"])


def test_a_server_that_takes_every_form_and_answers_nonsense_is_asked_in_one_more_once_and_then_by_turns(
    server: LlmServer,
) -> None:
    server.says = lambda body: "Here you are!"
    endpoint = door(server)
    assert [ask(endpoint, SCHEMA).parsed for _ in range(4)] == [None] * 4
    assert formats(server) == ["json_schema", "json_object", "json_object", "json_schema", "json_object"]
    server.says = lambda body: FITTING if "JSON Schema" in body["messages"][0]["content"] else "Here you are!"
    assert [ask(endpoint, SCHEMA).parsed is None for _ in range(3)] == [True, False, False]
    assert formats(server)[5:] == ["json_schema", "json_object", "json_object"]


def test_a_server_without_structured_output_that_answers_nonsense_is_not_offered_it_again(server: LlmServer) -> None:
    server.lacks = frozenset({"json_schema", "json_object"})
    server.says = lambda body: "Here you are!"
    endpoint = door(server)
    assert [ask(endpoint, SCHEMA).parsed for _ in range(2)] == [None] * 2
    assert formats(server) == ["json_schema", "json_object", None, None]


def test_a_server_that_answers_nonsense_and_takes_no_other_form_is_asked_in_the_one(server: LlmServer) -> None:
    server.says = lambda body: "Here you are!"
    refusal: Scripted = (400, {}, {"error": {"message": "no"}})
    server.trouble = lambda body: None if "json_schema" in str(body.get("response_format")) else refusal
    endpoint = door(server)
    assert [ask(endpoint, SCHEMA).parsed for _ in range(2)] == [None] * 2
    assert formats(server) == ["json_schema", "json_object", None, "json_schema"]


def test_a_refusal_is_not_taken_for_missing_structured_output_once_that_has_worked(server: LlmServer) -> None:
    server.says = lambda body: FITTING
    endpoint = door(server)
    ask(endpoint, SCHEMA)
    server.script.append((400, {}, {"error": {"message": f"bad: {SECRET}"}}))
    with pytest.raises(InputRefused) as refused:
        ask(endpoint, SCHEMA)
    assert len(server.bodies) == 2
    assert SECRET not in str(refused.value)


def test_messages_that_are_too_long_are_refused_at_once(server: LlmServer) -> None:
    server.script.append((400, {}, {"error": {"message": "long", "code": "context_length_exceeded"}}))
    with pytest.raises(InputRefused) as refused:
        ask(door(server), SCHEMA)
    assert refused.value.too_long
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("I am sorry.", "not JSON"),
        ('{"title": "Gate"', "not JSON"),
        ('{"title": "Gate", "pages": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"title": "Gate"}', "required"),
        ('{"title": "' + "Gate" * 9 + '", "pages": 2}', "maxLength"),
        ('{"title": "Gate", "pages": 2, "more": 1}', "additionalProperties"),
        ('["Gate"]', "type"),
    ],
)
def test_an_answer_that_does_not_fit_the_schema_is_not_parsed_and_quoted_nowhere(
    server: LlmServer, said: str, problem: str
) -> None:
    server.says = lambda body: said
    answer = ask(door(server), SCHEMA, max_tokens=200_000)
    assert answer.parsed is None
    assert problem in answer.problem
    assert "Gate" not in answer.problem


def test_an_answer_that_was_cut_off_says_so(server: LlmServer) -> None:
    server.says = lambda body: FITTING
    answer = ask(door(server), SCHEMA, max_tokens=2)
    assert answer.truncated
    assert answer.problem == "cut off by max_tokens"
    assert len(server.bodies) == 1


def test_an_answer_of_another_model_is_not_kept(server: LlmServer) -> None:
    endpoint = door(server)
    ask(endpoint)
    server.model = "cheaper-llm"
    with pytest.raises(EndpointRefused, match="cheaper-llm"):
        ask(endpoint)
    with pytest.raises(EndpointRefused, match="served_model"):
        ask(door(server, served_model="fake-llm"))


def test_parameters_that_a_server_does_not_take_are_left_out(server: LlmServer) -> None:
    server.refuses_params = frozenset({"max_tokens", "temperature"})
    endpoint = door(server)
    ask(endpoint)
    ask(endpoint)
    assert [sorted(set(body) & {"max_tokens", "max_completion_tokens", "temperature"}) for body in server.bodies] == [
        ["max_tokens", "temperature"],
        ["max_completion_tokens", "temperature"] if "max_tokens" not in server.bodies[1] else ["max_tokens"],
        ["max_completion_tokens"],
        ["max_completion_tokens"],
    ]


def say(content: Any) -> Callable[[Answer], Answer]:
    """Answer properly but for the text."""

    def alter(proper: Answer) -> Answer:
        status, headers, body = proper
        body["choices"][0]["message"]["content"] = content
        return status, headers, body

    return alter


PASSING: dict[str, Scripted] = {
    "429 with Retry-After": (429, {"Retry-After": "0.01"}, {"error": {"message": "slow down"}}),
    "429 without": (429, {}, {"error": {"message": "slow down"}}),
    "500": (500, {}, {"error": {"message": SECRET}}),
    "502 in HTML": (502, {"Content-Type": "text/html"}, b"<html>bad gateway</html>"),
    "not JSON": (200, {}, b"{'choices': ["),
    "empty": (200, {}, b""),
    "no choices": (200, {}, {"choices": []}),
    "a list": (200, {}, [1, 2]),
    "no text": say(None),
    "a number for text": say(7),
    "an error with status 200": (200, {}, {"error": {"code": 503, "message": SECRET}}),
    "reset": (200, {}, reset_in_mid_body),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_again(server: LlmServer, name: str) -> None:
    server.script += [PASSING[name]] * 3
    endpoint = door(server)
    assert ask(endpoint).text == "The gate is open."
    assert endpoint.requests == 4


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_ends_at_the_deadline_in_a_sentence(server: LlmServer, name: str) -> None:
    server.trouble = lambda body: PASSING[name]
    started = time.monotonic()
    with pytest.raises(EndpointUnavailable) as failed:
        ask(door(server, deadline_seconds=0.6))
    assert time.monotonic() - started < 5
    assert SECRET not in str(failed.value)
    assert "sk-secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("scripted", "kind", "says"),
    [
        ((401, {}, {"error": {"message": SECRET}}), ConfigurationError, "api_key"),
        ((404, {}, {"error": {"message": SECRET}}), ConfigurationError, "model"),
        ((402, {}, {"error": {"message": SECRET}}), EndpointRefused, "quota"),
        ((429, {}, {"error": {"code": "insufficient_quota"}}), EndpointRefused, "quota"),
        ((307, {"Location": "http://127.0.0.1:9/v1"}, b""), EndpointRefused, "redirects"),
        ((200, {}, announce_terabytes), EndpointRefused, "larger"),
        ((200, {}, stream_without_end), EndpointRefused, "larger"),
        ((200, {"Content-Encoding": "gzip"}, b"packed"), EndpointRefused, "compressed"),
    ],
)
def test_what_will_never_do_is_said_at_once(
    server: LlmServer, scripted: Answer, kind: type[SuimonError], says: str
) -> None:
    server.trouble = lambda body: scripted
    with pytest.raises(kind, match=says) as failed:
        ask(door(server))
    assert len(server.bodies) == 1
    assert SECRET not in str(failed.value)


def test_an_answer_that_drips_ends_with_the_deadline(server: LlmServer) -> None:
    server.trouble = lambda body: (200, {}, drip)
    started = time.monotonic()
    with pytest.raises(EndpointUnavailable, match="did not end"):
        ask(door(server, deadline_seconds=0.5))
    assert time.monotonic() - started < 5


def test_as_many_requests_are_under_way_as_was_declared(server: LlmServer) -> None:
    server.delay = 0.1

    async def work(opened: LlmEndpoint) -> list[Completion]:
        return await asyncio.gather(*(opened.complete(ASKED, max_tokens=10) for _ in range(8)))

    assert len(door(server, concurrency=3).run(work)) == 8
    assert server.most == 3


def test_an_answer_in_pieces_is_the_same_answer(server: LlmServer) -> None:
    pieces, streamed = read_stream(door(server))
    assert len(pieces) > 1
    assert "".join(pieces) == "The gate is open."
    assert streamed.completion is not None
    assert (streamed.completion.text, streamed.completion.model) == ("The gate is open.", "fake-llm")
    assert streamed.completion.completion_tokens == 5
    assert server.bodies[0]["stream"] is True


def test_an_answer_in_pieces_is_tried_again_until_its_first_piece(server: LlmServer) -> None:
    server.script += [PASSING["429 with Retry-After"], PASSING["500"], PASSING["reset"]]
    assert "".join(read_stream(door(server))[0]) == "The gate is open."
    assert len(server.bodies) == 4


def cut(server: LlmServer, *, keep: int, tail: bytes = b"", pause: float = 0.0) -> Answer:
    """Begin a proper stream and break it."""
    return 200, {}, streaming([*events(server.completion("The gate is open."))[:keep], tail], pause)


@pytest.mark.parametrize(
    "tail", [b"", b"data: {broken\n\n", b'data: {"error": {"message": "Confidential-Penstock-4711"}}\n\n']
)
def test_an_answer_in_pieces_that_breaks_off_is_no_answer(server: LlmServer, tail: bytes) -> None:
    server.script.append(cut(server, keep=2, tail=tail))
    with pytest.raises(EndpointUnavailable, match="broke off") as failed:
        read_stream(door(server))
    assert SECRET not in str(failed.value)
    assert len(server.bodies) == 1


def test_an_answer_in_pieces_that_drips_ends_with_the_deadline(server: LlmServer) -> None:
    parts = [b": comment\n\n"] * 1000
    server.trouble = lambda body: (200, {}, streaming(parts, 0.02))
    started = time.monotonic()
    with pytest.raises(EndpointUnavailable):
        read_stream(door(server), seconds=0.5)
    assert time.monotonic() - started < 5


def test_an_answer_in_pieces_without_end_is_refused(server: LlmServer) -> None:
    endless = events(server.completion("x" * 1000))[0] * 2000
    server.trouble = lambda body: (200, {}, streaming([endless] * 4))
    with pytest.raises(EndpointRefused, match="larger"):
        read_stream(door(server))


def test_a_fault_of_a_server_is_pickled_with_what_it_says() -> None:
    import pickle

    refused = pickle.loads(pickle.dumps(InputRefused(400, frozenset({"context_length_exceeded"}))))
    assert refused.too_long
