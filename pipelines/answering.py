"""Answering a question from the published table: find passages, ask the declared LLM, check what it cites.

`ask` does all of it with what is declared; `answered` is the same for callers that hold a client and an endpoint, as
the MCP server and the evaluation do. Nothing is written but what it cost, where the login may write that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from assets.answers.accounting import Bill
from assets.answers.citing import Checked, Claim, claims_of, is_refusal, may_become_refusal
from assets.answers.prompting import Prompt, Source, make_prompt
from assets.answers.settings import Answers
from assets.workbench import Workbench
from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.passages import Passage
from pipelines.serving.asking import reading_client
from pipelines.serving.library import shown
from resources.attempts import InputRefused
from resources.completions import Completion
from resources.llm_endpoint import LlmEndpoint

Listen = Callable[[str], None]
Status = Literal["answered", "uncited", "not_answered"]


@dataclass(frozen=True)
class Answer:
    """An answer, or that there is none.

    Attributes:
        question: as asked.
        status: `answered` where at least one citation stands; `uncited` where the model said something and cited
            nothing that it was shown, which is not to be relied on; `not_answered`.
        reason: why it was not: `no_passages`, `too_far` (the nearest passage is below the declared similarity),
            `model` (the model says that the passages do not answer).
        text: with the marks that stand; empty where not answered.
        claims: the sentences, each with the numbers that it cites.
        citations: what is cited: number, chunk, document, page.
        dropped_citations: marks that named no passage which was shown.
        retrieved: all passages that were found, by number, whether they were shown, and their texts.
        prompt: the prompt's version.
        model: as the endpoint names it.
        prompt_tokens: as the endpoint counts them.
        completion_tokens: likewise.
        seconds: for all of it.
    """

    question: str
    status: Status
    reason: str = ""
    text: str = ""
    claims: tuple[Claim, ...] = ()
    citations: tuple[dict[str, Any], ...] = ()
    dropped_citations: int = 0
    retrieved: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    prompt: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON's types."""
        return asdict(self)


def ask(
    bench: Workbench,
    question: str,
    *,
    k: int | None = None,
    filter: Mapping[str, Any] | None = None,  # noqa: A002
    role: str | None = None,
    listen: Listen | None = None,
) -> Answer:
    """Answer a question from the published table, with what `collections.yaml` declares.

    Args:
        bench: settings and doors.
        question: in any language that the model speaks; answered in the same.
        k: passages to answer from; by default as declared.
        filter: which documents, in the grammar of docs/sql.md.
        role: the database role that asks; by default the reader role.
        listen: told the answer as it comes, checked; nothing where there is none.

    Raises:
        ConfigurationError: no LLM is declared, or what is asked for cannot be.
        EndpointUnavailable: an endpoint did not answer in time.
        DatabaseUnavailable: the database did not.
    """
    llm, settings = bench.declared_llm, _with_passages(bench.answers, k)
    client = reading_client(bench, role)

    async def work(endpoint: LlmEndpoint) -> Answer:
        bill = Bill(bench, llm, endpoint, "ask", _single(filter))
        return await answered(client, bill, settings, question, filter=filter, listen=listen)

    try:
        return bench.open_llm().run(work)
    finally:
        client.close()


class SharedAnswers:
    """Answers questions of many, one after the other and side by side, through one endpoint and on one bill.

    The endpoint is opened with the first question, so that its limit on requests under way holds for all together.
    """

    def __init__(self, bench: Workbench) -> None:
        """Remember how questions are answered; nothing is opened yet.

        Args:
            bench: settings and doors, with an LLM.
        """
        self._bench = bench
        self._bill: Bill | None = None

    async def __call__(
        self, client: SearchClient, question: str, k: int, collection: str | None = None
    ) -> dict[str, Any]:
        """Answer a question from k passages.

        Args:
            client: stands for whoever asks.
            question: in words.
            k: passages at most.
            collection: to answer from; by default all.

        Returns:
            The answer, as JSON has it.
        """
        if self._bill is None:
            bill = Bill(self._bench, self._bench.declared_llm, self._bench.open_llm(), "mcp")
            self._bill = bill  # Before anything is waited for: two first questions open one endpoint.
            await bill.endpoint.__aenter__()
        settings = _with_passages(self._bench.answers, k)
        wanted = None if collection is None else {"collection": collection}
        return (await answered(client, self._bill, settings, question, filter=wanted)).as_json()

    async def close(self) -> None:
        """Close what was opened."""
        if self._bill is not None:
            bill, self._bill = self._bill, None
            await bill.endpoint.__aexit__(None, None, None)


def _single(filter: Mapping[str, Any] | None) -> str:  # noqa: A002
    """Return the one collection that a filter names, if it names one."""
    wanted = (filter or {}).get("collection")
    return wanted if isinstance(wanted, str) else ""


def _with_passages(settings: Answers, k: int | None) -> Answers:
    return settings if k is None else settings.model_copy(update={"passages": k})


async def answered(
    client: SearchClient,
    bill: Bill,
    settings: Answers,
    question: str,
    *,
    filter: Mapping[str, Any] | None = None,  # noqa: A002
    listen: Listen | None = None,
) -> Answer:
    """Answer a question through what the caller holds.

    Args:
        client: asks the table, as whom it stands for.
        bill: names the LLM and its open endpoint, and keeps what the answer costs.
        settings: as declared.
        question: in words.
        filter: which documents.
        listen: told the answer as it comes.

    Raises:
        ConfigurationError: what is asked for cannot be.
    """
    began = time.monotonic()
    found = await client.asearch(question, settings.passages, filter=filter)
    refused = _too_little(found, settings)
    if refused:
        return _finished(Answer(question, "not_answered", refused), found, 0, began)
    sources = [_source(passage) for passage in found]
    most = bill.llm.context_tokens - bill.llm.max_output_tokens
    charged = 0, 0
    try:
        while True:
            prompt = make_prompt(question, sources, most_tokens=most)
            checked = Checked(prompt.used)
            try:
                completion = await _spoken(bill, prompt, checked, listen)
                charged = completion.prompt_tokens, completion.completion_tokens
                break
            except InputRefused as refusal:
                if not refusal.too_long or most < 512:
                    raise
                most = most * 2 // 3  # Its tokens are shorter than we guessed.
    finally:
        await bill.add(*charged)
    return _finished(_judged(question, found, prompt, checked, completion), found, prompt.used, began)


def _too_little(found: list[Passage], settings: Answers) -> str:
    if not found:
        return "no_passages"
    least = settings.least_similarity
    if least is not None and max(float(passage.row["semantic_score"]) for passage in found) < least:
        return "too_far"
    return ""


def _source(passage: Passage) -> Source:
    row = passage.row
    headings = [heading for heading in row["heading_path"] or [] if heading != row["title"]]
    return Source(" > ".join([str(row["title"]), *headings]), passage.id, passage.text)


async def _spoken(bill: Bill, prompt: Prompt, checked: Checked, listen: Listen | None) -> Completion:
    """Have the model speak; what it says is checked as it comes."""
    endpoint, most = bill.endpoint, bill.llm.max_output_tokens
    if listen is None:
        completion = await endpoint.complete(prompt.messages, max_tokens=most)
        checked.add(completion.text)
        checked.end()
        return completion
    streamed = endpoint.stream(prompt.messages, max_tokens=most)
    waiting = ""
    async for piece in streamed:
        waiting += checked.add(piece)
        if not may_become_refusal(checked.text):
            listen(waiting)
            waiting = ""
    waiting += checked.end()
    if not is_refusal(checked.text):
        listen(waiting)
    assert streamed.completion is not None
    return streamed.completion


def _judged(question: str, found: list[Passage], prompt: Prompt, checked: Checked, completion: Completion) -> Answer:
    spent: dict[str, Any] = {
        "prompt": prompt.version,
        "model": completion.model,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "dropped_citations": checked.dropped,
    }
    text = checked.text.strip()
    if not text or is_refusal(text):
        return Answer(question, "not_answered", "model", **spent)
    claims = claims_of(text)
    numbers = dict.fromkeys(number for claim in claims for number in claim.cites)
    citations = tuple(_citation(number, found[number - 1]) for number in sorted(numbers))
    return Answer(question, "answered" if citations else "uncited", "", text, claims, citations, **spent)


def _citation(number: int, passage: Passage) -> dict[str, Any]:
    cited = {name: value for name, value in shown(passage).items() if name not in {"text", "score"}}
    return {"number": number, **cited}


def _finished(answer: Answer, found: list[Passage], used: int, began: float) -> Answer:
    retrieved = tuple(
        {"number": number, "shown": number <= used, **shown(passage)} for number, passage in enumerate(found, 1)
    )
    return Answer(**{**vars(answer), "retrieved": retrieved, "seconds": round(time.monotonic() - began, 3)})
