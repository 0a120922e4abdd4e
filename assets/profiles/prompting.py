"""The prompts, which are files with a version, and how a text is laid before a model as data. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from resources.completions import Message, inert

FOLDER = Path(__file__).parent / "prompts"
LANGUAGES = {
    "en": "English", "ja": "Japanese", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "zh": "Chinese", "ko": "Korean", "pt": "Portuguese", "nl": "Dutch",
}  # fmt: skip


@dataclass(frozen=True)
class Prompt:
    """A prompt file.

    Attributes:
        version: as its first line says.
        digest: of its text, so that no change goes unnoticed.
        text: with a place for the language.
    """

    version: int
    digest: str
    text: str


@cache
def prompt(name: str) -> Prompt:
    """Read a prompt.

    Args:
        name: of its file, without the ending.
    """
    content = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    head, _, text = content.partition("\n---\n")
    return Prompt(int(head.removeprefix("version:")), hashlib.sha256(content.encode()).hexdigest()[:16], text.strip())


def language_name(code: str) -> str:
    """Say a language in words, for a model."""
    return LANGUAGES.get(code, "the language of the text")


def fenced(name: str, text: str, language: str, about: str) -> list[Message]:
    """Lay a text before a model, between marks that it cannot contain, in a message that it cannot end.

    Args:
        name: of the prompt.
        text: the data.
        language: code of the answer's language.
        about: what the text is, as `part 2 of 5`.
    """
    text = inert(text)
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]  # A text cannot hold a digest of itself.
    return [
        {"role": "system", "content": prompt(name).text.replace("{language}", language_name(language))},
        {"role": "user", "content": f"[begin {about} {mark}]\n{text}\n[end {about} {mark}]\nDescribe it as JSON."},
    ]


def digest(messages: Sequence[Message], schema: Mapping[str, Any]) -> bytes:
    """Return the identity of a question, by which its answer is found again."""
    told = [message["content"] for message in messages] + [str(sorted(schema["properties"]))]
    return hashlib.sha256("\0".join(told).encode(errors="replace")).digest()


def cut(text: str, most_bytes: int) -> Iterator[str]:
    """Cut a text into parts, at the end of a paragraph, line or sentence where one is near.

    Args:
        text: the document's.
        most_bytes: of a part, in UTF-8.
    """
    start = 0
    while start < len(text):
        stop = start + _fitting(text, start, most_bytes)
        if stop < len(text):
            stop = _good_end(text, start, stop)
        part = text[start:stop].strip()
        if part:
            yield part
        start = stop


def _fitting(text: str, start: int, most_bytes: int) -> int:
    """Return how many characters from a place fit."""
    window = text[start : start + most_bytes].encode(errors="replace")[:most_bytes]
    return max(1, len(window.decode(errors="ignore")))


def _good_end(text: str, start: int, stop: int) -> int:
    least = start + (stop - start) // 2
    for end in ("\n\n", "\n", "。", ". ", " "):
        place = text.rfind(end, least, stop)
        if place >= 0:
            return place + len(end)
    return stop


def together(items: Sequence[str], most_bytes: int) -> Iterator[list[str]]:
    """Put items, in order, into groups that fit; an item that is too large by itself is cut.

    Args:
        items: summaries.
        most_bytes: of a group, in UTF-8.
    """
    group: list[str] = []
    size = 0
    for item in items:
        fitted = item[: _fitting(item, 0, most_bytes)] if item else ""
        length = len(fitted.encode(errors="replace")) + 2
        if group and size + length > most_bytes:
            yield group
            group, size = [], 0
        group.append(fitted)
        size += length
    if group:
        yield group
