"""How a model is asked about one document: part by part, then about all parts together, each question once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from assets.llm import Llm
from assets.profiles.addressing import to_readers
from assets.profiles.grounding import Profile, assemble
from assets.profiles.keeping import Document, Keeper, Kept
from assets.profiles.prompting import cut, digest, fenced, prompt, together
from assets.profiles.schema import Sizes, part_schema, whole_schema
from assets.profiles.settings import Profiles
from assets.profiles.spending import Wallet
from assets.profiles.tasks import side_by_side
from resources.attempts import InputRefused
from resources.completions import Message
from resources.llm_endpoint import LlmEndpoint

T = TypeVar("T")

TEMPERATURES = (0.0, 0.4)
"""Of the first try, and of a second where the first was of no use."""
LEAST_BYTES = 500
"""Of a part, however long the endpoint still finds it: less says nothing."""


class Unusable(Exception):
    """A document that could not be described; never leaves the stage.

    Attributes:
        reason: a code.
        detail: without anything of the document.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        """Remember why."""
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Halted(Exception):
    """No further question may be sent in this run; never leaves the stage."""


@dataclass
class Inquiry:
    """Asks about documents.

    Attributes:
        wanted: what is to be said.
        llm: as declared.
        endpoint: that is asked, open.
        keeper: keeps the answers.
        wallet: what they may cost.
        halted: whether no further question may be sent.
    """

    wanted: Profiles
    llm: Llm
    endpoint: LlmEndpoint
    keeper: Keeper
    wallet: Wallet
    halted: Callable[[], bool]
    _slots: asyncio.Semaphore = field(init=False)
    _most: int | None = None

    def __post_init__(self) -> None:
        """Let as many questions at once into the wallet as the endpoint takes: no more are under way."""
        self._slots = asyncio.Semaphore(self.endpoint.concurrency)

    async def describe(self, document: Document) -> None:
        """Describe a document and keep its profile.

        Raises:
            Unusable: nothing usable was said.
            Halted: the run ends first; what was answered is kept.
            EndpointUnavailable: the endpoint did not answer in time.
            EndpointRefused: the endpoint cannot be used as declared.
        """
        known = await self.keeper.read_answers(document.elements_id)
        while True:
            try:
                profile, parts = await self._answer(document, known)
                break
            except InputRefused as refusal:
                smaller = min(self._most or sys.maxsize, len(document.text.encode(errors="replace"))) // 2
                if not refusal.too_long or smaller < LEAST_BYTES:
                    raise Unusable("refused", f"HTTP {refusal.status}") from None
                self._most = smaller
        models = ", ".join(dict.fromkeys(kept.model for kept in known.values()))
        await self.keeper.keep_profile(document.elements_id, profile, parts, models)

    async def _answer(self, document: Document, known: dict[bytes, Kept]) -> tuple[Profile, int]:
        """Ask about each part, then about all of them together."""
        sizes = Sizes.of(self.llm.max_output_tokens)
        schema = part_schema(self.wanted, sizes)
        beginning = self._beginning(document.text)
        text, to_a_model = to_readers(beginning)
        texts = list(cut(text, self._room("part", schema)))
        if not texts:
            raise Unusable("no_text")
        several = len(texts) > 1
        marks = [f"part {place + 1} of {len(texts)}" if several else "document" for place in range(len(texts))]
        asked = [
            self._ask_part(document, fenced("part", part, document.language, mark), schema, known)
            for part, mark in zip(texts, marks, strict=True)
        ]
        answers = await _as_far_as_possible(asked)
        parts = [(answer, part) for answer, part in zip(answers, texts, strict=True) if answer is not None]
        if not parts:
            raise Unusable("unusable", "no part was described")
        whole = await self._whole(document, [answer for answer, _ in parts], sizes, known) if several else None
        self.keeper.tally.cut_short += len(beginning) < len(document.text)
        self.keeper.tally.to_a_model += to_a_model
        told = f"{prompt('part').text}\n{prompt('whole').text}"
        profile = assemble(
            parts, whole, self.wanted, document.language, title=document.title, told=told, most=sizes.summary
        )
        return profile, len(texts)

    async def _ask_part(
        self, document: Document, messages: list[Message], schema: Mapping[str, Any], known: dict[bytes, Kept]
    ) -> Any:
        try:
            return await self._ask(document, messages, schema, known)
        except Unusable:
            self.keeper.tally.parts_failed += 1
            return None

    async def _whole(
        self, document: Document, answers: Sequence[Mapping[str, Any]], sizes: Sizes, known: dict[bytes, Kept]
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
            told = await _as_far_as_possible(asked)
            if len(told) == 1:
                return told[0]

    async def _ask(
        self, document: Document, messages: list[Message], schema: Mapping[str, Any], known: dict[bytes, Kept]
    ) -> Any:
        """Return the answer to a question: the one that is kept, or a new one, which is kept."""
        asked = digest(messages, schema)
        if asked in known:
            return known[asked].said
        expected = self._tokens(messages, schema), self.llm.max_output_tokens
        problem = ""
        for temperature in TEMPERATURES:
            async with self._slots:
                if self.halted() or not self.wallet.admit(*expected):
                    raise Halted
                charged = 0, 0
                try:
                    answer = await self.endpoint.complete(
                        messages, schema=schema, max_tokens=self.llm.max_output_tokens, temperature=temperature
                    )
                    charged = answer.prompt_tokens, answer.completion_tokens
                finally:
                    self.wallet.settle(expected, charged)
                await self.keeper.keep_answer(document.elements_id, asked, answer)  # Before another one is sent.
            if answer.parsed is not None:
                known[asked] = Kept(answer.parsed, answer.model)
                return answer.parsed
            problem = answer.problem
        raise Unusable("unusable", problem)

    def _beginning(self, text: str) -> str:
        most = int(self.wanted.max_document_tokens * self.llm.bytes_per_token)
        return text.encode(errors="replace")[:most].decode(errors="ignore")

    def _room(self, name: str, schema: Mapping[str, Any]) -> int:
        """Return how many bytes of text fit beside a prompt, its schema and the answer."""
        said = len(prompt(name).text.encode()) + len(json.dumps(schema, ensure_ascii=False).encode())
        tokens = self.llm.context_tokens - self.llm.max_output_tokens - said / self.llm.bytes_per_token - 128
        room = int(tokens * self.llm.bytes_per_token)
        return max(LEAST_BYTES, room if self._most is None else min(self._most, room))

    def _tokens(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> int:
        said = sum(len(message["content"].encode(errors="replace")) for message in messages)
        return int((said + len(json.dumps(schema, ensure_ascii=False).encode())) / self.llm.bytes_per_token) + 1


async def _as_far_as_possible(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all at once; where one may not be done any more, let those that are under way come to their end first.

    Raises:
        Halted: not all of it was done.
    """

    async def attempt(one: Coroutine[Any, Any, T]) -> T | Halted:
        try:
            return await one
        except Halted as halted:
            return halted

    done: list[T] = []
    for result in await side_by_side([attempt(one) for one in work]):
        if isinstance(result, Halted):
            raise result
        done.append(result)
    return done
