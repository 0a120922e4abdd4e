"""Evaluating answers: golden questions are asked as a reader asks them, and judged by `assets.answers.measures`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assets.answers.accounting import Bill
from assets.answers.measures import Judged, f1, figures, is_supported
from assets.answers.questions import AnswerQuestion, read_questions
from assets.workbench import Workbench
from pipelines.answering import Answer, answered
from pipelines.serving.asking import reading_client
from resources.errors import ConfigurationError
from resources.llm_endpoint import LlmEndpoint


@dataclass(frozen=True)
class Report:
    """Answers and their figures.

    Attributes:
        rows: question, answer and what was judged, in the order of the questions.
    """

    rows: tuple[tuple[AnswerQuestion, Answer, Judged], ...]

    @property
    def figures(self) -> dict[str, float]:
        """The figures of `assets.answers.measures`."""
        return figures([judged for _, _, judged in self.rows])

    @property
    def answerable(self) -> int:
        """Questions that the documents answer."""
        return sum(judged.answerable for _, _, judged in self.rows)

    @property
    def unanswerable(self) -> int:
        """Questions that they do not."""
        return len(self.rows) - self.answerable

    @property
    def model(self) -> str:
        """Who answered, by which prompt."""
        return next((f"{answer.model}, prompt {answer.prompt}" for _, answer, _ in self.rows if answer.model), "")

    @property
    def tokens(self) -> tuple[int, int]:
        """Of all prompts, and of all answers."""
        answers = [answer for _, answer, _ in self.rows]
        return sum(one.prompt_tokens for one in answers), sum(one.completion_tokens for one in answers)

    def summary(self) -> dict[str, Any]:
        """Return the figures with what they are of."""
        kinds: dict[str, int] = {}
        for _, answer, _ in self.rows:
            name = f"{answer.status} ({answer.reason})" if answer.reason else answer.status
            kinds[name] = kinds.get(name, 0) + 1
        counts = {"answerable": self.answerable, "unanswerable": self.unanswerable}
        return {"figures": self.figures, **counts, "statuses": kinds, "model": self.model, "tokens": self.tokens}

    def write(self, path: Path) -> None:
        """Write a line a question: the question, the answer, what was judged.

        Args:
            path: of a JSONL file; it holds text of documents.
        """
        lines = [
            json.dumps(
                {**question.model_dump(), "answer": answer.as_json(), "judged": asdict(judged)}, ensure_ascii=False
            )
            for question, answer, judged in self.rows
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def declared_questions(
    bench: Workbench, path: Path | None = None, *, collection: str | None = None, limit: int | None = None
) -> tuple[AnswerQuestion, ...]:
    """Return the questions to ask.

    Args:
        bench: names the file where none is given.
        path: of a file instead.
        collection: only those to it.
        limit: so many, spread over the file.

    Raises:
        ConfigurationError: there is no file, or it has no such question.
    """
    if path is None:
        if bench.answers.questions is None:
            raise ConfigurationError(
                "collections.yaml declares no answers.questions; declare a file, or name one with --questions."
            )
        path = bench.root / bench.answers.questions
    found = [q for q in read_questions(path) if collection is None or q.collection in {None, collection}]
    if not found:
        raise ConfigurationError(f"{path.name} has no question to {collection}; write one.")
    if limit is None or limit >= len(found):
        return tuple(found)
    return tuple(found[index * len(found) // limit] for index in range(limit))


def evaluate(
    bench: Workbench,
    questions: Sequence[AnswerQuestion],
    *,
    role: str | None = None,
    collection: str = "",
    caller: str = "evaluate-answers",
) -> Report:
    """Ask all questions, as many at once as the LLM takes, and judge what comes.

    Args:
        bench: settings and doors.
        questions: with what is right.
        role: the database role that asks.
        collection: to ask all of them to; by default the one that each names, or all.
        caller: the run or command, for the ledger of cost.

    Raises:
        ConfigurationError: no LLM is declared.
    """
    client, llm = reading_client(bench, role), bench.declared_llm
    done = 0

    async def work(endpoint: LlmEndpoint) -> Report:
        turns = asyncio.Semaphore(llm.concurrency)
        bill = Bill(bench, llm, endpoint, caller, collection)

        async def one(question: AnswerQuestion) -> tuple[AnswerQuestion, Answer, Judged]:
            nonlocal done
            where = collection or question.collection
            async with turns:
                wanted = {"collection": where} if where else None
                answer = await answered(client, bill, bench.answers, question.question, filter=wanted)
            done += 1
            bench.progress("answers", done, len(questions))
            return question, answer, judge(question, answer)

        return Report(tuple(await asyncio.gather(*(one(question) for question in questions))))

    try:
        return bench.open_llm().run(work)
    finally:
        client.close()


def evaluate_collection(bench: Workbench, collection: str, run_id: str) -> Report:
    """Ask a collection its golden questions.

    Args:
        bench: settings and doors.
        collection: which.
        run_id: for the ledger of cost.
    """
    asked = declared_questions(bench, collection=collection)
    return evaluate(bench, asked, collection=collection, caller=run_id)


def judge(question: AnswerQuestion, answer: Answer) -> Judged:
    """Judge one answer.

    Args:
        question: with what is right.
        answer: as it came.
    """
    texts = {one["number"]: one["text"] for one in answer.retrieved}
    bare = " ".join(claim.text for claim in answer.claims)
    cited = {one["uri"] for one in answer.citations}
    return Judged(
        answerable=bool(question.answers),
        answered=answer.status == "answered",
        refused=answer.status == "not_answered",
        f1=f1(bare, question.answers) if question.answers and bare else 0.0,
        citations=sum(len(claim.cites) for claim in answer.claims),
        dropped=answer.dropped_citations,
        sentences=len(answer.claims),
        supported=sum(is_supported(claim.text, [texts[n] for n in claim.cites]) for claim in answer.claims),
        cites_the_source=bool(cited & set(question.documents)) if question.documents else None,
        seconds=answer.seconds,
        tokens=answer.prompt_tokens + answer.completion_tokens,
    )
