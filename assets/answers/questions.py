"""Golden questions with their answers, from a JSONL file. Pure but for reading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resources.errors import ConfigurationError
from resources.wording import problem_clause, unreadable

MOST_QUESTIONS = 10_000


class AnswerQuestion(BaseModel):
    """A question, and what is right to say.

    Attributes:
        question: as a reader would ask it.
        answers: texts, each of which would be right; none where the documents do not answer.
        documents: uris of documents that answer, where somebody knows them.
        collection: to ask, where it is not all.
        id: names it in findings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = Field(min_length=1, max_length=4000)
    answers: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    collection: str | None = None
    id: str | None = None


def read_questions(path: Path) -> tuple[AnswerQuestion, ...]:
    """Read a file of questions, one a line.

    Args:
        path: of a JSONL file.

    Raises:
        ConfigurationError: one sentence that says what is wrong, and in which line.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(unreadable(path, error)) from None
    found = [_question(line, number, path.name) for number, line in enumerate(content.split("\n"), 1) if line.strip()]
    if not found or len(found) > MOST_QUESTIONS:
        raise ConfigurationError(f"{path.name} has {len(found)} questions; 1 to {MOST_QUESTIONS:,} will do.")
    return tuple(found)


def _question(line: str, number: int, name: str) -> AnswerQuestion:
    try:
        decoded: Any = json.loads(line)
        return AnswerQuestion.model_validate(decoded)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        clause = problem_clause(problem, [str(part) for part in problem["loc"]] or ["the line"])
        raise ConfigurationError(f"{name}, line {number}: {clause}") from None
    except ValueError:
        raise ConfigurationError(
            f'{name}, line {number}: it is no JSON object; write {{"question": "...", "answers": ["..."]}}.'
        ) from None
