"""Plain text, JSON and XML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree
from unstructured.partition.text import partition_text

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.readers.encoding import decode
from assets.elements.readers.found import NO_LANGUAGE, PLAIN_TEXT, blocks_of

_BLANK_LINES = re.compile(r"\n[ \t\u3000]*(?:\n[ \t\u3000]*)+")


def read_text(content: bytes) -> Reading:
    """Read plain text: a paragraph a block."""
    text = decode(content)
    found = partition_text(text=_paragraphs(text), languages=NO_LANGUAGE) if text.strip() else []
    return Reading(blocks_of(found, headings=False), visible=len("".join(text.split())))


def _paragraphs(text: str) -> str:
    """Let a line of nothing but ideographic spaces part two paragraphs, too."""
    return _BLANK_LINES.sub("\n\n", text.replace("\r\n", "\n").replace("\r", "\n"))


def read_json(content: bytes) -> Reading:
    """Read JSON or JSON Lines: a block a record, a line a value, with the path to it.

    Raises:
        Unparseable: it is neither.
    """
    text = decode(content).strip()
    if not text:
        return Reading([])
    try:
        values = _values(text)
        return Reading([Block(PLAIN_TEXT, "\n".join(_lines(value, ""))) for value in values])
    except (json.JSONDecodeError, RecursionError):
        raise Unparseable("damaged") from None


def _values(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]
    return value if isinstance(value, list) else [value]


def _lines(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        if value and all(isinstance(item, str | int | float) for item in value):
            yield f"{path}: {', '.join(map(str, value))}" if path else ", ".join(map(str, value))
            return
        for place, item in enumerate(value, start=1):
            yield from _lines(item, f"{path}[{place}]" if path else f"[{place}]")
    elif value is not None and value != "":
        yield f"{path}: {value}" if path else str(value)


def read_xml(content: bytes) -> Reading:
    """Read XML of an unknown kind: a block for each run of text, mixed content kept together.

    Raises:
        Unparseable: it is not well-formed from its start, or its entities are not what they seem.
    """
    root = _tree(content)
    if root is None:
        raise Unparseable("damaged")
    visible = sum(len("".join(text.split())) for text in root.itertext(etree.Element))
    return Reading([Block(PLAIN_TEXT, text) for text in _paragraphs_of(root)], visible=visible)


def _tree(content: bytes) -> Any:
    """Parse XML that declares no entities of its own; what is broken at its end is read up to there."""
    if b"<!ENTITY" in content[:100_000] or "<!ENTITY".encode("utf-16-le") in content[:100_000]:
        raise Unparseable("forbidden_entities")
    options = {"resolve_entities": False, "no_network": True, "recover": True, "remove_comments": True,
               "remove_pis": True, "huge_tree": False}  # fmt: skip
    try:
        return etree.fromstring(content, etree.XMLParser(**options))
    except (etree.XMLSyntaxError, ValueError):
        pass
    text = re.sub(r"^\s*<\?xml[^>]{0,200}\?>", "", decode(content))
    try:
        return etree.fromstring(text, etree.XMLParser(**options))
    except (etree.XMLSyntaxError, ValueError):
        raise Unparseable("damaged") from None


def _paragraphs_of(root: Any) -> Iterator[str]:
    """Yield the text of each element that has some of its own, and else of those below it."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        children = [child for child in element if isinstance(child.tag, str)]
        own = [element.text, *(child.tail for child in element)]
        if not children or any(part and part.strip() for part in own):
            text = " ".join("".join(element.itertext()).split())
            if text:
                yield text
            continue
        waiting.extend(reversed(children))
