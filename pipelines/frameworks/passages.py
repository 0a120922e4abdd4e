"""What is asked and what comes back, as values: a question that was checked, and a passage with its metadata."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from resources.errors import ConfigurationError

Mode = Literal["hybrid", "semantic", "lexical"]

LARGEST_K = 1000
LONGEST_WORDS = 20_000

_SOURCE = (
    "collection", "uri", "link", "title", "heading_path", "pages", "ordinal", "copies", "flags", "html", "text_before",
    "text_after", "publish", "run_id", "document_id", "score", "semantic_score", "lexical_score",
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A question whose parts can be sent.

    Attributes:
        words: as a person wrote them.
        k: passages at most.
        mode: by meaning and words together, or by one of them alone.
        filter: which documents, as JSON in the grammar of docs/sql.md.
        neighbours: passages before and after each one that come along.
    """

    words: str
    k: int
    mode: Mode
    filter: str
    neighbours: int


def checked(words: str, k: int, mode: str, wanted: Mapping[str, Any] | None, neighbours: int) -> Question:
    """Return a question, or say what is wrong with it before anything is sent.

    Args:
        words: the question.
        k: from 1 to 1,000.
        mode: one of `Mode`.
        wanted: a filter, or None for all documents.
        neighbours: from 0 to 10.

    Raises:
        ConfigurationError: a part is not of its type, or out of its range.
    """
    if not isinstance(words, str) or not words.strip():
        raise ConfigurationError("The question is empty; ask with some words.")
    if len(words) > LONGEST_WORDS:
        raise ConfigurationError(f"The question has {len(words):,} characters; ask with at most {LONGEST_WORDS:,}.")
    bounded(k)
    if type(neighbours) is not int or not 0 <= neighbours <= 10:
        raise ConfigurationError(f"neighbours is {neighbours!r}; it may be 0 to 10.")
    if mode not in get_args(Mode):
        raise ConfigurationError(f"There is no mode {mode!r}; the modes are {', '.join(get_args(Mode))}.")
    return Question(sendable(words), k, mode, written(wanted), neighbours)  # type: ignore[arg-type]


def bounded(k: int) -> int:
    """Return a number of passages that can be asked for.

    Raises:
        ConfigurationError: it is not from 1 to 1,000.
    """
    if type(k) is not int or not 1 <= k <= LARGEST_K:
        raise ConfigurationError(f"k is {k!r}; ask for 1 to {LARGEST_K:,} passages.")
    return k


def sendable(text: str) -> str:
    """Return a text that Postgres can hold.

    Raises:
        ConfigurationError: it holds a NUL or half a character.
    """
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ConfigurationError("A text holds a NUL or half a character, which Postgres cannot take; leave it out.")
    return text


def written(wanted: Mapping[str, Any] | None) -> str:
    """Return a filter as JSON; dates are written as Postgres reads them.

    Raises:
        ConfigurationError: it is no object, or holds something that JSON cannot.
    """
    if wanted is None:
        return "{}"
    if not isinstance(wanted, Mapping):
        raise ConfigurationError("The filter is no object; write it as {'collection': 'handbook'}.")
    try:
        return sendable(json.dumps(dict(wanted), ensure_ascii=False, allow_nan=False, default=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The filter cannot be written as JSON ({type(error).__name__}); use text, finite numbers, true, false, "
            "null, dates, and lists of them."
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):  # A datetime is one.
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError


@dataclass(frozen=True)
class Passage:
    """A published passage that answers a question.

    Attributes:
        row: the columns of search.passage (docs/sql.md).
    """

    row: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Names the passage: collection, document and place in it."""
        return f"{self.document}#{self.row['ordinal']}"

    @property
    def document(self) -> str:
        """Names the document: collection and uri."""
        return f"{self.row['collection']}/{self.row['uri']}"

    @property
    def text(self) -> str:
        """The passage."""
        return str(self.row["text"])

    @property
    def score(self) -> float:
        """The higher, the better; on the scale of the mode that was asked with."""
        return float(self.row["score"])

    @property
    def metadata(self) -> dict[str, Any]:
        """All that is known of it but its text, flat, of JSON's types only; what is not known is left out.

        What the document declares stands beside it under its own name, or as `metadata.<name>` where that is taken:
        the names that a filter uses.
        """
        found = {name: self.row[name] for name in _SOURCE if self.row.get(name) is not None}
        if self.row.get("published_at") is not None:
            found["published_at"] = self.row["published_at"].isoformat()
        for name, value in (self.row.get("metadata") or {}).items():
            if value is not None:
                found[f"metadata.{name}" if name in found or name in _SOURCE else name] = value
        return found
