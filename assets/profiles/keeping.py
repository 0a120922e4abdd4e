"""What a run of the profiles stage reads and writes: claims, answers, profiles, failures and what they cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from assets.llm import Llm, record_cost
from assets.profiles.grounding import Profile
from assets.profiles.tasks import to_its_end
from assets.refresh import Refresh
from resources import failpoints
from resources.completions import Completion
from resources.llm_endpoint import LlmEndpoint

T = TypeVar("T")


@dataclass
class Tally:
    """What the stage has done so far.

    Attributes:
        profiles: made.
        failed: documents that could not be described.
        elsewhere: documents that another run described meanwhile.
        parts: that texts were cut into.
        parts_failed: about which nothing usable was said.
        cut_short: documents of which only the beginning was sent.
        to_a_model: passages that speak to a language model, and were left out of what was asked.
        left_out: things in answers that the text does not bear out.
        requests: sent, failed ones included.
        prompt_tokens: that the endpoint charged for.
        completion_tokens: likewise.
    """

    profiles: int = 0
    failed: int = 0
    elsewhere: int = 0
    parts: int = 0
    parts_failed: int = 0
    cut_short: int = 0
    to_a_model: int = 0
    left_out: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def finished(self) -> int:
        """Documents for which nobody waits any more."""
        return self.profiles + self.failed + self.elsewhere


@dataclass(frozen=True, slots=True)
class Document:
    """A parse that is to be described.

    Attributes:
        elements_id: its number.
        text: all of it.
        title: what its first heading or its properties say.
        language: its code; und where nothing can be told.
        settled: whether somebody else has described it, or tried in vain, since this run looked what waits.
    """

    elements_id: int
    text: str
    title: str
    language: str
    settled: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that need not be asked for again.

    Attributes:
        said: what fits the schema.
        model: the name under which it was said.
    """

    said: Any
    model: str


@dataclass
class Keeper:
    """The side of a run that looks at the database: one connection, used in turn, beside the loop.

    What was begun here is done to its end even where the run is given up: an answer that was paid for is kept.
    """

    refresh: Refresh
    llm: Llm
    recipe_id: int
    endpoint: LlmEndpoint
    tally: Tally
    _recorded: int = 0
    _using: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Count requests from now on."""
        self._recorded = self.endpoint.requests

    async def claim(self, elements_id: int) -> bool:
        """Say whether a parse is this run's alone from now on; False where another run has it."""
        mine = bool(await self._value("profiles/claim", self._key(elements_id)))
        if mine:
            failpoints.reach("profiles.claimed")
        return mine

    async def release(self, elements_id: int) -> None:
        """Let go of a parse."""
        await self._value("profiles/release", self._key(elements_id))

    async def read(self, elements_id: int) -> Document | None:
        """Return a claimed parse; None where it was erased meanwhile."""
        key, session = self._key(elements_id), self.refresh.session
        found = await self._in_database(lambda: session.rows(Document, "profiles/read_document", key))
        return found[0] if found else None

    async def read_answers(self, elements_id: int) -> dict[bytes, Kept]:
        """Return what was answered already about a parse, by the digest of what was asked."""
        key, session = self._key(elements_id), self.refresh.session
        rows = await self._in_database(lambda: session.records("profiles/read_parts", key))
        return {bytes(row["asked"]): Kept(**row["answer"]) for row in rows}

    async def keep_answer(self, elements_id: int, asked: bytes, answer: Completion) -> None:
        """Keep an answer, and what it cost."""
        failpoints.reach("profiles.answered")
        await self._in_database(partial(self._keep_answer, self._key(elements_id) | {"asked": asked}, answer))

    def _keep_answer(self, row: Mapping[str, Any], answer: Completion) -> None:
        session = self.refresh.session
        with session.transaction():
            if answer.parsed is not None:
                content = json.dumps({"said": _storable(answer.parsed), "model": answer.model}, ensure_ascii=False)
                session.execute("profiles/insert_part", {**row, "answer": content})
            self._pay(1, answer)
            failpoints.reach("profiles.answer_writing")
        failpoints.reach("profiles.answer_written")

    async def keep_profile(self, elements_id: int, profile: Profile, parts: int, model: str) -> None:
        """Keep a profile, and forget the answers that it was put together from."""
        params = self._key(elements_id) | {
            "profile": json.dumps(_storable(profile.content), ensure_ascii=False),
            "entities": profile.entities,
            "entities_dropped": profile.entities_dropped,
            "dropped": json.dumps(profile.dropped),
            "parts": parts,
            "model": model,
        }
        await self._in_database(partial(self._keep_profile, params))
        self.tally.profiles += 1
        self.tally.parts += parts
        self.tally.left_out += profile.entities_dropped + profile.dropped.total()

    def _keep_profile(self, params: Mapping[str, Any]) -> None:
        session = self.refresh.session
        with session.transaction():
            session.execute("profiles/insert_profile", params)
            session.execute("profiles/delete_parts", params)
            failpoints.reach("profiles.writing")
        failpoints.reach("profiles.written")

    async def note_failure(self, elements_id: int, reason: str, detail: str) -> None:
        """Note that a parse could not be described; it is not asked about again by itself."""
        params = self._key(elements_id) | {"reason": reason, "detail": detail}
        await self._in_database(lambda: self.refresh.session.execute("profiles/record_failure", params))
        self.tally.failed += 1

    async def settle(self) -> None:
        """Write the requests into the ledger that are not in it yet: those that nobody answered."""
        await self._in_database(lambda: self._pay(0, None))

    def _pay(self, inputs: int, answer: Completion | None) -> None:
        """Write what was paid for into the ledger, and the requests that were not in it yet."""
        requests = self.endpoint.requests - self._recorded
        prompt_tokens, completion_tokens = (answer.prompt_tokens, answer.completion_tokens) if answer else (0, 0)
        if not requests and not inputs:
            return
        record_cost(
            self.refresh.session, self.llm, self.endpoint,
            collection=self.refresh.name, run_id=self.refresh.run_id, stage="profiles",
            timezone=self.refresh.settings.timezone, requests=requests, inputs=inputs,
            prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
        )  # fmt: skip
        self._recorded += requests
        self.tally.requests += requests
        self.tally.prompt_tokens += prompt_tokens
        self.tally.completion_tokens += completion_tokens

    def _key(self, elements_id: int) -> dict[str, Any]:
        return {"elements_id": elements_id, "recipe_id": self.recipe_id}

    async def _value(self, name: str, params: Mapping[str, Any]) -> Any:
        return await self._in_database(lambda: self.refresh.session.value(name, params))

    async def _in_database(self, work: Callable[[], T]) -> T:
        return await to_its_end(self._in_turn(work))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        async with self._using:
            return await asyncio.to_thread(work)


def _storable(value: Any) -> Any:
    """Take out what Postgres does not store in jsonb: NULs and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value
