"""The assembly line of the profiles stage: documents side by side, parts side by side, every answer kept as it comes.

No lease is held, so that a slow model keeps no refresh waiting: a document is claimed by a lock that ends with its
connection, and what is written is addressed by content.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from assets.llm import Llm, record_cost
from assets.profiles.grounding import Profile, assemble
from assets.profiles.prompting import cut, digest, fenced, prompt, together
from assets.profiles.schema import Sizes, part_schema, whole_schema
from assets.profiles.settings import Profiles
from assets.profiles.spending import Wallet
from assets.refresh import Refresh
from resources.attempts import InputRefused
from resources.completions import Completion, Message
from resources.llm_endpoint import LlmEndpoint

T = TypeVar("T")

TEMPERATURES = (0.0, 0.4)
"""Of the first try, and of a second where the first was of no use."""
LEAST_BYTES = 500
"""Of a part, however long the endpoint still finds it: less says nothing."""


@dataclass
class Tally:
    """What the stage has done so far.

    Attributes:
        profiles: made.
        failed: documents that could not be described.
        parts: that texts were cut into.
        parts_failed: about which nothing usable was said.
        cut_short: documents of which only the beginning was sent.
        elsewhere: documents that another run was having described.
        requests: sent, failed ones included.
        prompt_tokens: that the endpoint charged for.
        completion_tokens: likewise.
    """

    profiles: int = 0
    failed: int = 0
    parts: int = 0
    parts_failed: int = 0
    cut_short: int = 0
    elsewhere: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A parse that is to be described."""

    elements_id: int
    text: str
    title: str
    language: str


class _Unusable(Exception):  # Never leaves this module.
    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class _OutOfBudget(Exception):  # Never leaves this module.
    pass


@dataclass
class Line:
    """One pass over the documents that wait."""

    refresh: Refresh
    wanted: Profiles
    llm: Llm
    recipe_id: int
    waiting: Sequence[int]
    wallet: Wallet
    tally: Tally = field(default_factory=Tally)
    _recorded: int = 0
    _most: int = sys.maxsize

    async def run(self, endpoint: LlmEndpoint) -> None:
        """Work through all documents; what was answered is kept even if one fails."""
        self._endpoint = endpoint
        self._using = asyncio.Lock()
        self._recorded = endpoint.requests
        self._stop_at = time.monotonic() + self.wanted.seconds_per_run
        ids = iter(self.waiting)
        try:
            await _side_by_side([self._work(ids) for _ in range(min(endpoint.concurrency, len(self.waiting)))])
        finally:
            await self._in_database(lambda: self._pay(0, None))

    async def _work(self, ids: Iterator[int]) -> None:
        for elements_id in ids:
            if self.wallet.empty or time.monotonic() > self._stop_at:
                return
            key = {"elements_id": elements_id, "recipe_id": self.recipe_id}
            if not await self._value("profiles/claim", key):
                self.tally.elsewhere += 1
                continue
            try:
                await self._describe(elements_id)
            except _OutOfBudget:
                return
            except _Unusable as failure:
                self.tally.failed += 1
                await self._execute(
                    "profiles/record_failure", key | {"reason": failure.reason, "detail": failure.detail}
                )
            finally:
                await self._value("profiles/release", key)
            done = self.tally.profiles + self.tally.failed
            self.refresh.bench.progress("profiles", done, len(self.waiting))

    async def _describe(self, elements_id: int) -> None:
        key = {"elements_id": elements_id, "recipe_id": self.recipe_id}
        session = self.refresh.session
        found = await self._in_database(lambda: session.rows(Document, "profiles/read_document", key))
        if not found:  # Erased meanwhile.
            return
        rows = await self._in_database(lambda: session.records("profiles/read_parts", key))
        known = {bytes(row["asked"]): row["answer"] for row in rows}
        while True:
            try:
                profile, parts, model = await self._answer(found[0], known)
                break
            except InputRefused as refusal:
                smaller = min(self._most, len(found[0].text.encode(errors="replace"))) // 2
                if not refusal.too_long or smaller < LEAST_BYTES:
                    raise _Unusable("refused", f"HTTP {refusal.status}") from None
                self._most = smaller
        await self._in_database(lambda: self._keep(key, profile, parts, model))
        self.tally.profiles += 1
        self.tally.parts += parts

    async def _answer(self, document: Document, known: dict[bytes, Any]) -> tuple[Profile, int, str]:
        """Ask about each part, then about all of them together."""
        sizes = Sizes.of(self.llm.max_output_tokens)
        schema = part_schema(self.wanted, sizes)
        most = self._room("part", schema)
        text = self._beginning(document.text)
        texts = list(cut(text, most))
        if not texts:
            raise _Unusable("no_text")
        several = len(texts) > 1
        marks = [f"part {place + 1} of {len(texts)}" if several else "document" for place in range(len(texts))]
        asked = [
            self._ask_part(document, fenced("part", part, document.language, mark), schema, known)
            for part, mark in zip(texts, marks, strict=True)
        ]
        answers = await _side_by_side(asked)
        parts = [(answer, part) for answer, part in zip(answers, texts, strict=True) if answer is not None]
        if not parts:
            raise _Unusable("unusable", "no part was described")
        whole = await self._whole(document, [answer for answer, _ in parts], sizes, known) if several else None
        self.tally.cut_short += len(text) < len(document.text)
        model = self._endpoint.served_model or self.llm.model
        return assemble(parts, whole, self.wanted, document.language), len(texts), model

    async def _ask_part(
        self, document: Document, messages: list[Message], schema: Mapping[str, Any], known: dict[bytes, Any]
    ) -> Any:
        try:
            return await self._ask(document, messages, schema, known)
        except _Unusable:
            self.tally.parts_failed += 1
            return None

    async def _whole(
        self, document: Document, answers: Sequence[Mapping[str, Any]], sizes: Sizes, known: dict[bytes, Any]
    ) -> Any:
        """Make one title and summary of many, in rounds where they do not fit into one question."""
        schema = whole_schema(self.wanted, sizes)
        most = self._room("whole", schema)
        told = list(answers)
        while True:
            lines = [f"{answer.get('title')}: {answer.get('summary') or ''}" for answer in told]
            groups = list(together(lines, most))
            if len(groups) >= len(told) > 1:  # Nothing would become less: the beginning has to do.
                groups = groups[:1]
            asked = [
                self._ask(document, fenced("whole", "\n\n".join(group), document.language, "summaries"), schema, known)
                for group in groups
            ]
            told = await _side_by_side(asked)
            if len(told) == 1:
                return told[0]

    async def _ask(
        self, document: Document, messages: list[Message], schema: Mapping[str, Any], known: dict[bytes, Any]
    ) -> Any:
        """Return the answer to a question: the one that is kept, or a new one, which is kept."""
        asked = digest(messages, schema)
        if asked in known:
            return known[asked]
        expected = self._tokens(messages, schema), self.llm.max_output_tokens
        problem = ""
        for temperature in TEMPERATURES:
            if not self.wallet.admit(*expected):
                raise _OutOfBudget
            charged = 0, 0
            try:
                answer = await self._endpoint.complete(
                    messages, schema=schema, max_tokens=self.llm.max_output_tokens, temperature=temperature
                )
                charged = answer.prompt_tokens, answer.completion_tokens
            finally:
                self.wallet.settle(expected, charged)
            row = {"elements_id": document.elements_id, "recipe_id": self.recipe_id, "asked": asked}
            await self._in_database(partial(self._keep_part, row, answer))
            if answer.parsed is not None:
                known[asked] = answer.parsed
                return answer.parsed
            problem = answer.problem
        raise _Unusable("unusable", problem)

    def _beginning(self, text: str) -> str:
        most = int(self.wanted.max_document_tokens * self.llm.bytes_per_token)
        return text.encode(errors="replace")[:most].decode(errors="ignore")

    def _room(self, name: str, schema: Mapping[str, Any]) -> int:
        """Return how many bytes of text fit beside a prompt, its schema and the answer."""
        said = len(prompt(name).text.encode()) + len(json.dumps(schema, ensure_ascii=False).encode())
        tokens = self.llm.context_tokens - self.llm.max_output_tokens - said / self.llm.bytes_per_token - 128
        return max(LEAST_BYTES, min(self._most, int(tokens * self.llm.bytes_per_token)))

    def _tokens(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> int:
        said = sum(len(message["content"].encode(errors="replace")) for message in messages)
        return int((said + len(json.dumps(schema, ensure_ascii=False).encode())) / self.llm.bytes_per_token) + 1

    def _keep_part(self, row: Mapping[str, Any], answer: Completion) -> None:
        session = self.refresh.session
        with session.transaction():
            if answer.parsed is not None:
                content = json.dumps(_storable(answer.parsed), ensure_ascii=False)
                session.execute("profiles/insert_part", {**row, "answer": content})
            self._pay(1, answer)

    def _keep(self, key: Mapping[str, int], profile: Profile, parts: int, model: str) -> None:
        session = self.refresh.session
        params = {
            **key,
            "profile": json.dumps(_storable(profile.content), ensure_ascii=False),
            "entities": profile.entities,
            "entities_dropped": profile.entities_dropped,
            "dropped": json.dumps(profile.dropped),
            "parts": parts,
            "model": model,
        }
        with session.transaction():
            session.execute("profiles/insert_profile", params)
            session.execute("profiles/delete_parts", key)

    def _pay(self, inputs: int, answer: Completion | None) -> None:
        """Write what was paid for into the ledger, and the requests that were not in it yet."""
        requests = self._endpoint.requests - self._recorded
        prompt_tokens, completion_tokens = (answer.prompt_tokens, answer.completion_tokens) if answer else (0, 0)
        if not requests and not inputs:
            return
        record_cost(
            self.refresh.session, self.llm, self._endpoint,
            collection=self.refresh.name, run_id=self.refresh.run_id, stage="profiles",
            timezone=self.refresh.settings.timezone, requests=requests, inputs=inputs,
            prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
        )  # fmt: skip
        self._recorded += requests
        self.tally.requests += requests
        self.tally.prompt_tokens += prompt_tokens
        self.tally.completion_tokens += completion_tokens

    async def _execute(self, name: str, params: Mapping[str, Any]) -> None:
        await self._in_database(lambda: self.refresh.session.execute(name, params))

    async def _value(self, name: str, params: Mapping[str, Any]) -> Any:
        return await self._in_database(lambda: self.refresh.session.value(name, params))

    async def _in_database(self, work: Callable[[], T]) -> T:
        """Do something with the one connection, in turn, beside the loop."""
        async with self._using:
            return await asyncio.to_thread(work)


async def _side_by_side(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all at once; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _storable(value: Any) -> Any:
    """Take out what Postgres does not store in jsonb: NULs and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value
