"""Plain text, JSON and XML."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from html.entities import html5
from typing import Any

from lxml import etree

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.readers.encoding import decode
from assets.elements.readers.found import PLAIN_TEXT

_XML_ENCODING = re.compile(rb"""^\W{0,8}<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{2,40})""")
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_MARKUP = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>|<!\[CDATA\[|\]\]>|</?[^\s<>/!?][^<>]*>", re.DOTALL
)
_BARE_AMPERSAND = re.compile(r"&(?!#\d+;|#x[0-9a-fA-F]+;|\w+;)")
_NAMED = re.compile(r"&([A-Za-z]\w*);")
_OF_XML = {"amp", "lt", "gt", "quot", "apos"}

_BLANK_LINES = re.compile(r"\n(?:[ \t\u3000]*\n)+")
_CJK = "\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WRAPPED = re.compile(f"(?<=[{_CJK}、，]{{16}})\\n(?=[{_CJK}])")
"""A line end inside a Japanese sentence: after a full line that does not end a sentence, before no indent or mark."""

_ITEM = re.compile(r"[ \t\u3000]{0,12}(?:[-*+•◦▪・●○■□◆◇※‣]|[（(]?\d{1,3}[.)）．、])[ \t\u3000]*\S")
_SENTENCE_END = re.compile(r"[.!?。！？]\S{0,2}(?:\s|$)")


def read_text(content: bytes) -> Reading:
    """Read plain text: a paragraph a block, an item of a list too; lines stay lines, but for wrapped Japanese."""
    text = decode(content).replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n\n")
    paragraphs = (piece.strip("\n") for piece in _BLANK_LINES.split(text))
    blocks = [block for paragraph in paragraphs for block in _blocks_of(paragraph)]
    return Reading(blocks, visible=len("".join(text.split())))


def _blocks_of(paragraph: str) -> Iterator[Block]:
    lines = _WRAPPED.sub("", paragraph).split("\n")
    if len(lines) > 1 and all(_ITEM.match(line) for line in lines):
        yield from (Block("ListItem", line.strip()) for line in lines)
    elif paragraph.strip():
        kind = "NarrativeText" if _SENTENCE_END.search(paragraph) else PLAIN_TEXT
        yield Block("ListItem" if len(lines) == 1 and _ITEM.match(lines[0]) else kind, "\n".join(lines))


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
    """Read XML of an unknown kind: a block a record or a run of text, mixed content kept together.

    Raises:
        Unparseable: it is not well-formed from its start, or it declares entities of its own.
    """
    declared = _XML_ENCODING.search(content[:200])
    text = _XML_DECLARATION.sub("", decode(content, declared.group(1).decode("ascii") if declared else None))
    if "<!ENTITY" in text:
        raise Unparseable("forbidden_entities")
    root = _tree(text)
    if root is None:
        raise Unparseable("damaged")
    shown = html.unescape(_MARKUP.sub("", text))
    return Reading([Block(PLAIN_TEXT, text) for text in _records_of(root)], visible=len("".join(shown.split())))


def _tree(text: str) -> Any:
    """Parse XML; one with bare ampersands as it is meant, one that is broken at its end up to there."""
    options = {"resolve_entities": False, "no_network": True, "remove_comments": True, "remove_pis": True,
               "huge_tree": False}  # fmt: skip
    meant = _BARE_AMPERSAND.sub("&amp;", _NAMED.sub(_as_character, text))
    for attempt, recover in ((text, False), (meant, False), (meant, True)):
        try:
            return etree.fromstring(attempt.lstrip(), etree.XMLParser(recover=recover, **options))
        except (etree.XMLSyntaxError, ValueError):
            continue
    raise Unparseable("damaged")


def _as_character(entity: re.Match[str]) -> str:
    """Write what HTML would call by name, which XML does not know."""
    name = entity.group(1)
    return entity.group() if name in _OF_XML else html5.get(f"{name};", f"&amp;{name};")


def _records_of(root: Any) -> Iterator[str]:
    """Yield the text of each element that has some of its own, and else of those below it.

    An element whose children are values of different names is a record: a line a value, with its name.
    """
    waiting = [root]
    while waiting:
        element = waiting.pop()
        children = [child for child in element if isinstance(child.tag, str)]
        own = [element.text, *(child.tail for child in element)]
        if not children or any(part and part.strip() for part in own):
            text = " ".join("".join(element.itertext()).split()) or "\n".join(_attributes(element))
            if text:
                yield text
        elif _is_record(children):
            yield "\n".join([*_attributes(element), *(line for child in children for line in _value(child))])
        else:
            if element.attrib and not any("".join(child.itertext()).strip() for child in children):
                yield "\n".join(_attributes(element))
            waiting.extend(reversed(children))


def _is_record(children: list[Any]) -> bool:
    names = {child.tag for child in children}
    return len(names) > 1 and all(len(child) == 0 for child in children)


def _value(element: Any) -> Iterator[str]:
    text = " ".join((element.text or "").split())
    name = etree.QName(element).localname
    if text:
        yield f"{name}: {text}"
    elif element.attrib:
        yield f"{name}: {', '.join(_attributes(element))}"


def _attributes(element: Any) -> list[str]:
    return [
        f"{etree.QName(name).localname}: {value.strip()}" for name, value in element.attrib.items() if value.strip()
    ]
