"""The embedding endpoint: what is sent, what is believed, what is tried again, and what is said when it fails."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import pickle
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.vectors.batching import Text, halves, pack
from resources import attempts
from resources.attempts import InputRefused
from resources.embedding_endpoint import Embedded, EmbeddingEndpoint, read_answer
from resources.errors import ConfigurationError, EndpointRefused, EndpointUnavailable
from tests.fakes.embedding_server import EmbeddingServer, embed, serve
from tests.fakes.faults import FINAL, SLOW, Fault, altered
from tests.fakes.http_wire import Answer

PROPERTY = settings(max_examples=80, deadline=None)
KEY = "sk-very-secret-0123456789"
TEXTS = ["gate", "水門", "tide"]


def door(server: EmbeddingServer | str, *, seconds: float = 5.0, key: str | None = KEY) -> EmbeddingEndpoint:
    """Describe an endpoint."""
    url = server if isinstance(server, str) else server.url
    return EmbeddingEndpoint(base_url=url, api_key=key, concurrency=2, deadline_seconds=seconds)


def ask(
    server: EmbeddingServer | str, texts: list[str] | None = None, *, seconds: float = 5.0, key: str | None = KEY,
    dimensions: int | None = None,
) -> Embedded:  # fmt: skip
    """Embed texts with a connection of one's own."""
    asked = TEXTS if texts is None else texts
    return door(server, seconds=seconds, key=key).run(lambda opened: opened.embed(asked, "fake", dimensions))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every pause that was asked for; none is taken."""
    asked: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float, result: object = None) -> object:
        if seconds > 0:
            asked.append(seconds)
        return await real(0, result)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.002)


def vectors_of(texts: list[str], dimensions: int = 32) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the fake gives for these texts."""
    return np.stack([embed(text, dimensions) for text in texts])


def test_vectors_come_in_the_order_of_the_inputs_as_base64(endpoint: EmbeddingServer) -> None:
    answer = ask(endpoint)
    assert np.array_equal(answer.vectors, vectors_of(TEXTS))
    assert answer.vectors.dtype == np.float32
    assert answer.model == "fake-embeddings"
    assert answer.tokens == 3


def test_floats_from_a_server_that_ignores_base64_are_the_same_vectors(endpoint: EmbeddingServer) -> None:
    def as_floats(body: dict[str, Any]) -> None:
        for item in body["data"]:
            item["embedding"] = np.frombuffer(base64.b64decode(item["embedding"]), "<f4").tolist()

    endpoint.script = [altered(as_floats)]
    assert np.array_equal(ask(endpoint).vectors, vectors_of(TEXTS))
    assert len(endpoint.requests) == 1


def test_a_shuffled_answer_is_put_right(endpoint: EmbeddingServer) -> None:
    endpoint.script = [altered(lambda body: body["data"].reverse())]
    assert np.array_equal(ask(endpoint).vectors, vectors_of(TEXTS))
    assert len(endpoint.requests) == 1


def test_a_large_batch_is_read_like_a_small_one(endpoint: EmbeddingServer) -> None:
    texts = [f"gate {number}" for number in range(300)]
    assert np.array_equal(ask(endpoint, texts).vectors, vectors_of(texts))


def test_dimensions_are_asked_for_only_where_they_are_declared(endpoint: EmbeddingServer) -> None:
    assert ask(endpoint, dimensions=8).vectors.shape == (3, 8)
    assert ask(endpoint).vectors.shape == (3, 32)


def test_requests_are_counted(endpoint: EmbeddingServer, hasty: None) -> None:
    endpoint.script = [(500, {}, {}), None]
    opened = door(endpoint)
    opened.run(lambda one: one.embed(TEXTS, "fake"))
    assert opened.requests == len(endpoint.requests) == 2


def spoil(value: object) -> Callable[[Answer], Answer]:
    """Put something else in the place of the second vector."""

    def change(body: dict[str, Any]) -> None:
        body["data"][1]["embedding"] = value

    return altered(change)


def base64_of(*numbers: float) -> str:
    """Encode a vector as the API does."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def whole(body: bytes | dict[str, Any] | list[Any] | str) -> Answer:
    """Answer with 200 and another body."""
    return 200, {}, body


DOUBTFUL: dict[str, Answer | Callable[[Answer], Answer]] = {
    "one vector too few": altered(lambda body: body["data"].pop()),
    "one vector too many": altered(lambda body: body["data"].append(body["data"][0])),
    "no vector": altered(lambda body: body["data"].clear()),
    "a repeated index": altered(lambda body: body["data"][2].update(index=1)),
    "an index out of range": altered(lambda body: body["data"][2].update(index=3)),
    "a negative index": altered(lambda body: body["data"][2].update(index=-1)),
    "no index": altered(lambda body: body["data"][2].pop("index")),
    "a null item": altered(lambda body: body["data"].__setitem__(1, None)),
    "NaN among floats": spoil([math.nan] * 32),
    "NaN in base64": spoil(base64_of(*[math.nan] * 32)),
    "an infinity": spoil(base64_of(math.inf, *[0.5] * 31)),
    "a number beyond float32": spoil([1e300] * 32),
    "a number beyond a float": spoil([10**400] * 32),
    "zeros": spoil(base64_of(*[0.0] * 32)),
    "null": spoil(None),
    "a null in a vector": spoil([None] * 32),
    "words": spoil(["gate"] * 32),
    "a nested vector": spoil([[0.5] * 32]),
    "an object": spoil({"values": [0.5] * 32}),
    "a nested object": spoil([{"value": 0.5}] * 32),
    "no vector in an item": altered(lambda body: body["data"][1].pop("embedding")),
    "an empty vector": spoil([]),
    "other dimensions": spoil(base64_of(*[0.5] * 31)),
    "base64 cut short": spoil(base64_of(*[0.5] * 32)[:-5]),
    "no base64": spoil("not base64 at all!"),
    "truncated JSON": lambda proper: (200, {}, json.dumps(proper[2]).encode()[:-40]),
    "HTML": whole(b"<html><body>Bad gateway</body></html>"),
    "an empty body": whole(b""),
    "bytes that are no text": whole(b"\xff\xfe\x00"),
    "an error in a 200": whole({"error": {"message": "overloaded", "code": 500}}),
    "a list": whole([]),
    "data that is no list": whole({"data": {"0": []}}),
    "null data": whole({"data": None}),
}
IN_DOUBT = pytest.mark.parametrize("answer", DOUBTFUL.values(), ids=DOUBTFUL.keys())


@IN_DOUBT
def test_a_doubtful_answer_is_asked_for_again(
    endpoint: EmbeddingServer, hasty: None, answer: Answer | Callable[[Answer], Answer]
) -> None:
    endpoint.script = [answer, None]
    assert np.array_equal(ask(endpoint).vectors, vectors_of(TEXTS))
    assert len(endpoint.requests) == 2


@IN_DOUBT
def test_an_answer_that_stays_doubtful_is_refused_within_the_deadline(
    endpoint: EmbeddingServer, answer: Answer | Callable[[Answer], Answer]
) -> None:
    endpoint.script = [answer] * 3
    with pytest.raises(EndpointUnavailable, match=r"did not answer within 0\.1 s"):
        ask(endpoint, seconds=0.1)
    assert 1 <= len(endpoint.requests) < 4


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_passing_failure_is_asked_again(endpoint: EmbeddingServer, hasty: None, status: int) -> None:
    endpoint.script = [(status, {}, {"error": {"message": "later"}}), None]
    assert len(ask(endpoint).vectors) == 3
    assert len(endpoint.requests) == 2


def test_pauses_grow_until_the_deadline(endpoint: EmbeddingServer, pauses: list[float]) -> None:
    endpoint.script = [(503, {}, {})] * 6 + [None]
    ask(endpoint, seconds=60)
    assert all(0.25 * 2**at <= pause <= min(30.0, 0.5 * 2**at) for at, pause in enumerate(pauses))
    assert len(pauses) == 6


def test_an_endpoint_that_is_away_is_named_with_what_to_do() -> None:
    with pytest.raises(EndpointUnavailable, match=r"127\.0\.0\.1:9 .* try again"):
        ask("http://127.0.0.1:9/v1", seconds=0.1)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after-ms": "1500"}, 1.5, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5, 1.5),
        ({"Retry-After": "2"}, 2, 2),
        ({"Retry-After": "2.5"}, 2.5, 2.5),
        ({"Retry-After": "soon"}, 0.25, 0.5),
        ({}, 0.25, 0.5),
    ],
)
def test_a_429_is_waited_out_as_the_endpoint_asks(
    endpoint: EmbeddingServer, pauses: list[float], headers: dict[str, str], least: float, most: float
) -> None:
    endpoint.script = [(429, headers, {"error": {"message": "slow down"}}), None]
    assert len(ask(endpoint, seconds=30).vectors) == 3
    (pause,) = pauses
    assert least <= pause <= most


def test_a_429_with_a_date_is_waited_out_until_then(endpoint: EmbeddingServer, pauses: list[float]) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    endpoint.script = [(429, {"Retry-After": until}, {}), None]
    assert len(ask(endpoint, seconds=900).vectors) == 3
    (pause,) = pauses
    assert 300 < pause <= 600


def test_a_date_that_has_passed_is_no_reason_to_wait(endpoint: EmbeddingServer, pauses: list[float]) -> None:
    endpoint.script = [(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}), None]
    assert len(ask(endpoint).vectors) == 3
    assert sum(pauses) <= 0.5


def test_a_pause_beyond_the_deadline_is_not_begun(endpoint: EmbeddingServer, pauses: list[float]) -> None:
    endpoint.script = [(429, {"Retry-After": "3600"}, {}), None]
    with pytest.raises(EndpointUnavailable, match="HTTP 429"):
        ask(endpoint)
    assert pauses == []
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(("status", "advice"), [(401, "api_key"), (403, "api_key"), (404, "base_url")])
def test_a_wrong_key_or_address_is_a_mistake_to_mend_and_is_not_asked_again(
    endpoint: EmbeddingServer, status: int, advice: str
) -> None:
    endpoint.script = [(status, {}, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), None]
    with pytest.raises(ConfigurationError) as raised:
        ask(endpoint)
    assert advice in str(raised.value)
    assert str(status) in str(raised.value)
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_input_says_its_status_and_nothing_of_its_text(endpoint: EmbeddingServer, status: int) -> None:
    endpoint.script = [(status, {}, {"error": {"message": "too long: 'the gate code is 4711'"}}), None]
    with pytest.raises(InputRefused) as raised:
        ask(endpoint, ["the gate code is 4711"])
    assert raised.value.status == status
    assert "4711" not in str(raised.value)
    assert len(endpoint.requests) == 1
    copied = pickle.loads(pickle.dumps(raised.value))  # Our own.
    assert (copied.status, str(copied)) == (status, str(raised.value))


def test_a_used_up_quota_is_not_asked_again(endpoint: EmbeddingServer) -> None:
    endpoint.script = [(429, {}, {"error": {"message": f"quota of {KEY}", "code": "insufficient_quota"}}), None]
    with pytest.raises(EndpointRefused, match="quota") as raised:
        ask(endpoint)
    assert KEY not in str(raised.value)
    assert len(endpoint.requests) == 1


def test_being_asked_to_slow_down_does_not_lengthen_the_pauses_after_failures(
    endpoint: EmbeddingServer, pauses: list[float]
) -> None:
    endpoint.script = [(429, {}, {})] * 4 + [(500, {}, {}), (500, {}, {}), None]
    ask(endpoint, seconds=600)
    assert 0.25 <= pauses[4] <= 0.5 <= pauses[5] <= 1.0


def test_an_endpoint_that_asks_for_no_pause_at_all_is_not_asked_in_a_tight_loop(
    endpoint: EmbeddingServer, pauses: list[float]
) -> None:
    endpoint.script = [(429, {"Retry-After": "0"}, {})] * 8 + [None]
    ask(endpoint, seconds=600)
    assert len(pauses) == 8
    assert all(pause >= 0.05 * 2**at for at, pause in enumerate(pauses[:6]))


BY_THE_ANSWER_ALONE = {
    name: fault for name, fault in FINAL.items() if name not in {"other dimensions", "another model"}
}


@pytest.mark.parametrize("fault", BY_THE_ANSWER_ALONE.values(), ids=BY_THE_ANSWER_ALONE.keys())
def test_what_no_second_request_would_mend_is_asked_once(endpoint: EmbeddingServer, fault: Fault) -> None:
    endpoint.script = [fault.answer(), None]
    with pytest.raises(EndpointRefused) as raised:
        ask(endpoint, seconds=60)
    assert not isinstance(raised.value, InputRefused)
    assert "4711" not in str(raised.value)
    assert len(endpoint.requests) == 1


@pytest.mark.timeout(50)
def test_an_answer_that_drips_ends_with_the_deadline(endpoint: EmbeddingServer) -> None:
    endpoint.script = [SLOW["a slow drip"].answer()] * 3
    with pytest.raises(EndpointUnavailable, match="did not end"):
        ask(endpoint, seconds=0.3)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 400}, InputRefused),
        ({"code": "413"}, InputRefused),
        ({"status": 401}, ConfigurationError),
        ({"code": "insufficient_quota"}, EndpointRefused),
        ({"code": 402}, EndpointRefused),
        ("the gate code is 4711", EndpointRefused),
        ({"code": {"a": 1}, "type": None}, EndpointRefused),
    ],
)
def test_an_error_that_comes_with_status_200_is_what_it_says(
    endpoint: EmbeddingServer, error: object, expected: type[Exception]
) -> None:
    endpoint.script = [whole({"error": error})]
    with pytest.raises(expected) as raised:
        ask(endpoint, seconds=60)
    assert type(raised.value) is expected
    assert "4711" not in str(raised.value)
    assert len(endpoint.requests) == 1


def test_a_large_answer_that_its_request_explains_is_read(endpoint: EmbeddingServer) -> None:
    texts = [f"gate {number}" for number in range(40)]
    assert ask(endpoint, texts, dimensions=3000).vectors.shape == (40, 3000)


def test_what_a_doubtful_answer_said_is_not_repeated(endpoint: EmbeddingServer) -> None:
    endpoint.script = [spoil(["the gate code is 4711"] * 32)]
    with pytest.raises(EndpointUnavailable) as raised:
        ask(endpoint, seconds=0.1)
    assert "4711" not in str(raised.value)


@pytest.fixture
def elsewhere() -> Iterator[EmbeddingServer]:
    """A server that nobody declared."""
    with serve(EmbeddingServer()) as server:
        yield server


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_to_a_server_that_nobody_declared(
    endpoint: EmbeddingServer, elsewhere: EmbeddingServer, status: int
) -> None:
    endpoint.script = [(status, {"Location": f"{elsewhere.url}/embeddings"}, {})] * 3
    with pytest.raises(EndpointRefused, match=r"redirects.*`base_url`"):
        ask(endpoint)
    assert elsewhere.requests == []
    assert len(endpoint.requests) == 1


def test_nothing_of_the_environment_is_sent_or_used(
    endpoint: EmbeddingServer, elsewhere: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "happens-to-be-here")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Happens: happens-to-be-here")
    monkeypatch.setenv("OPENAI_BASE_URL", elsewhere.url)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.url.removesuffix("/v1"))
    ask(endpoint, key=None)
    ask(endpoint, key=KEY)
    assert elsewhere.requests == []
    without, with_key = ({name.lower(): value for name, value in sent.items()} for sent in endpoint.headers)
    assert "happens-to-be-here" not in json.dumps([without, with_key])
    assert not {"openai-organization", "openai-project", "x-happens"} & (without.keys() | with_key.keys())
    assert with_key["authorization"] == f"Bearer {KEY}"


def test_no_key_is_invented_where_none_is_declared(endpoint: EmbeddingServer) -> None:
    ask(endpoint, key=None)
    (sent,) = endpoint.headers
    assert KEY not in json.dumps(sent)


@pytest.mark.parametrize("url", ["", "localhost:8080/v1", "ftp://user:hush-hush@host/v1", "https:///v1", "/v1"])
def test_an_address_that_is_none_is_a_mistake(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as raised:
        ask(url)
    assert "hush-hush" not in str(raised.value)


def test_a_key_in_the_address_is_not_repeated() -> None:
    with pytest.raises(EndpointUnavailable) as raised:
        ask("http://user:hush-hush@127.0.0.1:9/v1", seconds=0.1)
    assert "hush-hush" not in str(raised.value)


def test_requests_side_by_side_share_one_endpoint(endpoint: EmbeddingServer) -> None:
    async def both(opened: EmbeddingEndpoint) -> list[Embedded]:
        return await asyncio.gather(*(opened.embed([text], "fake") for text in TEXTS))

    answers = door(endpoint).run(both)
    assert np.array_equal(np.concatenate([answer.vectors for answer in answers]), vectors_of(TEXTS))


_NUMBER = st.floats(-1, 1, width=32).filter(lambda number: abs(number) > 1e-3)


@PROPERTY
@given(
    vectors=st.integers(1, 6).flatmap(
        lambda size: st.lists(st.lists(_NUMBER, min_size=size, max_size=size), min_size=1, max_size=8)
    ),
    data=st.data(),
)
def test_any_proper_answer_is_read_as_it_was_meant(vectors: list[list[float]], data: st.DataObject) -> None:
    items = [
        {"index": index, "embedding": base64_of(*vector) if data.draw(st.booleans()) else vector}
        for index, vector in enumerate(vectors)
    ]
    body = {"data": data.draw(st.permutations(items)), "model": "m", "usage": {"total_tokens": 7}}
    answer = read_answer(body, len(vectors))
    assert np.array_equal(answer.vectors, np.asarray(vectors, np.float32))
    assert (answer.tokens, answer.model) == (7, "m")
    with pytest.raises(ValueError, match="inputs"):
        read_answer(body, len(vectors) + 1)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_ITEM = st.fixed_dictionaries({}, optional={"index": _JSON | st.integers(-1, 2), "embedding": _JSON}) | _JSON
_BODY = st.fixed_dictionaries(
    {}, optional={"data": st.lists(_ITEM, max_size=3) | _JSON, "usage": _JSON, "model": _JSON}
)


@PROPERTY
@given(body=_BODY | _JSON, expected=st.integers(1, 3))
@example(body={"data": [None]}, expected=1)
@example(body={"data": [{"index": 0, "embedding": [{}]}]}, expected=1)
@example(body={"data": [{"index": 0, "embedding": [[1.0]]}]}, expected=1)
@example(body={"data": [{"index": 0, "embedding": [1e300]}]}, expected=1)
@example(body={"data": [{"index": False, "embedding": [1.0]}]}, expected=1)
@example(body={"data": [{"index": 0, "embedding": [1.0]}], "usage": {"total_tokens": -3}}, expected=1)
def test_any_other_answer_is_either_sound_or_doubted(body: Any, expected: int) -> None:
    try:
        answer = read_answer(body, expected)
    except ValueError:
        return
    assert answer.vectors.ndim == 2
    assert len(answer.vectors) == expected
    assert np.isfinite(answer.vectors).all()
    assert answer.vectors.any(axis=1).all()
    assert type(answer.tokens) is int
    assert answer.tokens >= 0


def texts_of(sizes: list[int]) -> list[Text]:
    """Make texts of so many tokens."""
    return [Text(number, f"text {number}", size) for number, size in enumerate(sizes)]


SIZES = st.lists(st.integers(0, 50), max_size=60)


@PROPERTY
@given(sizes=SIZES, most=st.integers(1, 10), tokens=st.integers(1, 80))
def test_packing_keeps_every_text_once_and_in_order(sizes: list[int], most: int, tokens: int) -> None:
    texts = texts_of(sizes)
    batches = list(pack(texts, most, tokens))
    assert [text for batch in batches for text in batch] == texts
    assert all(batches)


@PROPERTY
@given(sizes=SIZES, most=st.integers(1, 10), tokens=st.integers(1, 80))
def test_packing_keeps_to_the_limits_but_for_a_text_that_is_over_by_itself(
    sizes: list[int], most: int, tokens: int
) -> None:
    for batch in pack(texts_of(sizes), most, tokens):
        assert len(batch) <= most
        assert sum(text.tokens for text in batch) <= tokens or len(batch) == 1


@PROPERTY
@given(sizes=SIZES, most=st.integers(1, 10), tokens=st.integers(1, 80))
def test_packing_begins_a_batch_only_where_the_last_one_is_full(sizes: list[int], most: int, tokens: int) -> None:
    batches = list(pack(texts_of(sizes), most, tokens))
    for batch, following in pairwise(batches):
        assert len(batch) == most or sum(text.tokens for text in batch) + following[0].tokens > tokens


def test_packing_draws_no_more_than_it_needs() -> None:
    drawn: list[int] = []

    def stream() -> Iterator[Text]:
        for text in texts_of([1] * 100):
            drawn.append(text.text_id)
            yield text

    next(pack(stream(), 4, 100))
    assert len(drawn) <= 5


@PROPERTY
@given(sizes=st.lists(st.integers(0, 9), min_size=2, max_size=40))
def test_halves_are_not_empty_and_lose_nothing(sizes: list[int]) -> None:
    texts = texts_of(sizes)
    first, second = halves(texts)
    assert first
    assert second
    assert first + second == texts
