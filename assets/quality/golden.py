"""Golden questions: what a collection is asked after every publish, and which documents ought to answer. Pure.

A file has a question a line (JSONL), or a list of them (YAML). It is read with every refresh, so that a wrong file is
found before anything is paid for.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from assets import settings
from resources.errors import ConfigurationError
from resources.wording import problem_clause, unreadable

MOST_QUESTIONS = 1000
"""Each is searched for inside the publish, which takes some milliseconds a question."""

LABEL_CHARACTERS = 40


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="after")
    @classmethod
    def _can_be_stored(cls, value: Any) -> Any:
        if isinstance(value, str) and re.search("[\x00\ud800-\udfff]", value):
            raise ValueError("holds a character that no text can hold (NUL or half of a pair)")
        return value


class Answer(_Entry):
    """A document that answers a question, or a passage of it."""

    uri: str = Field(min_length=1)
    text: str | None = Field(None, min_length=1)


class Question(_Entry):
    """A golden question.

    Attributes:
        question: as a reader would ask it.
        answers: what answers it, each found or not.
        filter: put to the search, as in docs/sql.md.
        id: names it in findings.
        collection: whose it is, where one file serves several.
        language: for people.
        note: for people.
    """

    question: str = Field(min_length=1, max_length=4000)
    answers: tuple[Answer, ...] = Field(min_length=1, max_length=50)
    filter: dict[str, Any] = Field(default_factory=dict)
    id: str | None = Field(None, min_length=1, max_length=100)
    collection: str | None = None
    language: str | None = None
    note: str | None = None

    @field_validator("answers", mode="before")
    @classmethod
    def _plain_uris(cls, value: Any) -> Any:
        return (
            [{"uri": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value
        )

    @field_validator("question")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is blank")
        return value.strip()

    @field_validator("filter")
    @classmethod
    def _within_the_collection(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "collection" in value:
            raise ValueError("names a collection, but a golden question is put to its own")
        if "\\u0000" in json.dumps(value):
            raise ValueError("holds a character that no text can hold (NUL)")
        return value

    @property
    def label(self) -> str:
        """Its id, or its first words."""
        words = " ".join(self.question.split())
        return self.id or (words if len(words) <= LABEL_CHARACTERS else words[:LABEL_CHARACTERS].rstrip() + " ...")

    @property
    def digest(self) -> str:
        """Names its vector within a space."""
        return hashlib.sha256(self.question.encode()).hexdigest()

    def key(self, engine: str, k: int) -> str:
        """Name it among figures: two figures of one key can be compared.

        Args:
            engine: digest of what searches.
            k: passages that are looked at.
        """
        answers = [[answer.uri, answer.text] for answer in self.answers]
        material = [self.question, self.filter, answers, engine, k]
        return hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class GoldenSet:
    """The golden questions of a collection, as declared.

    Attributes:
        questions: in the file's order.
        settings: how they are judged.
    """

    questions: tuple[Question, ...]
    settings: settings.Golden

    def digest(self, engine: str = "") -> str:
        """Identity of all that decides its figures, but for what is published."""
        keys = sorted(question.key(engine, self.settings.k) for question in self.questions)
        return hashlib.sha256(json.dumps(keys).encode()).hexdigest()

    def asked(self, engine: str) -> str:
        """Write the questions as `judged_questions` takes them."""
        labels = Counter(question.label for question in self.questions)
        return json.dumps(
            [
                {
                    "key": question.key(engine, self.settings.k),
                    "hash": question.digest,
                    # Two that begin alike are told apart by a piece of their digest.
                    "label": question.label + (f" ({question.digest[:6]})" if labels[question.label] > 1 else ""),
                    "words": question.question,
                    "filter": question.filter,
                    "answers": [answer.model_dump() for answer in question.answers],
                }
                for question in self.questions
            ]
        )


def read_golden(root: Path, declared: settings.Collection, name: str) -> GoldenSet | None:
    """Read the golden questions of a collection; None where it declares none.

    Args:
        root: the folder that relative paths start from.
        declared: the collection.
        name: of the collection.

    Raises:
        ConfigurationError: one sentence that says what is wrong, and in which line.
    """
    if declared.golden is None:
        return None
    path = root / Path(declared.golden.file).expanduser()
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"collections.{name}.golden.file is {declared.golden.file}, which is not there; create or correct it."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(unreadable(path, error)) from None
    entries = _yaml(content, path.name) if path.suffix in {".yaml", ".yml"} else _lines(content, path.name)
    return GoldenSet(_questions(entries, path.name, name), declared.golden)


def _lines(content: str, file: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                problem = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"
                raise ConfigurationError(
                    f"{file}, line {number}: it is no JSON object ({problem}); write "
                    '{"question": "...", "answers": ["path/of/document.md"]}.'
                ) from None


def _yaml(content: str, file: str) -> Iterator[tuple[int, Any]]:
    loader = yaml.SafeLoader(content)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.SequenceNode):
            raise ConfigurationError(f"{file}, line 1: it is no list; begin each question with a dash.")
        for item in node.value:
            yield item.start_mark.line + 1, loader.construct_object(item, deep=True)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ConfigurationError(f"{file}, line {line}: {problem}; correct it.") from None
    finally:
        loader.dispose()


def _questions(entries: Iterator[tuple[int, Any]], file: str, name: str) -> tuple[Question, ...]:
    found: list[Question] = []
    seen: dict[str, int] = {}
    for line, content in entries:
        try:
            question = Question.model_validate(content)
        except ValidationError as error:
            raise ConfigurationError(f"{file}, line {line}: {_sentence(error)}") from None
        if question.collection not in {None, name}:
            continue
        for what in filter(None, (question.id, json.dumps([question.question, question.filter], sort_keys=True))):
            if what in seen:
                same = "id" if what == question.id else "question"
                raise ConfigurationError(
                    f"{file}, line {line}: the {same} stands in line {seen[what]} already; leave one of them out."
                )
            seen[what] = line
        found.append(question)
    if not found:
        raise ConfigurationError(f"{file} has no question for the collection {name}; write one, or leave `golden` out.")
    if len(found) > MOST_QUESTIONS:
        raise ConfigurationError(f"{file} has {len(found)} questions for {name}; {MOST_QUESTIONS} are the most.")
    return tuple(found)


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    if problem["type"] == "extra_forbidden":
        where = ".".join(str(part) for part in problem["loc"])
        known: Mapping[str, Any] = Answer.model_fields if problem["loc"][0] == "answers" else Question.model_fields
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        return f"{where} is not a known key; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}.")
    return problem_clause(problem, [str(part) for part in problem["loc"]] or ["the line"])
