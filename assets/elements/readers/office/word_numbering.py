"""Word's Japanese list numbers: unstructured leaves out the formats that it does not know.

It is told that they are decimal, with a mark around each number, and what it made of them is written as it should be.
"""

from __future__ import annotations

import re
from typing import Any

from assets.elements.readers.office.numerals import WORD_FORMATS, written
from assets.elements.readers.office.package import parsed
from assets.elements.readers.office.package import written as to_bytes
from assets.elements.readers.office.word_styles import W

_FIGURE, _END = "\ufdd8", "\ufdd9"
_MARKED = re.compile(f"{_FIGURE}(.)([0-9]+){_END}")
_REFERENCE = re.compile(r"%([1-9])")


def mark_numbers(data: bytes) -> bytes:
    """Put marks into `numbering.xml` where it has formats that unstructured does not know.

    Raises:
        Unparseable: it is not well-formed.
    """
    if not any(name.encode() in data for name in WORD_FORMATS):
        return data
    numbering = parsed(data)
    for definition in numbering.iter(f"{W}abstractNum", f"{W}num"):
        figures = {}
        for level in definition.iter(f"{W}lvl"):
            format_of = level.find(f"{W}numFmt")
            one = None if format_of is None else WORD_FORMATS.get(format_of.get(f"{W}val") or "")
            if format_of is not None and one is not None:
                figures[_number(level)] = one
                format_of.set(f"{W}val", "decimal")
        for text in definition.iter(f"{W}lvlText") if figures else ():
            text.set(f"{W}val", _marked(text.get(f"{W}val") or "", figures))
    return to_bytes(numbering)


def _number(level: Any) -> str:
    value = level.get(f"{W}ilvl") or ""
    return str(int(value) + 1) if value.isascii() and value.isdigit() else ""


def _marked(text: str, figures: dict[str, str]) -> str:
    def mark(found: re.Match[str]) -> str:
        one = figures.get(found.group(1))
        return f"{_FIGURE}{one}{found.group()}{_END}" if one else found.group()

    return _REFERENCE.sub(mark, text)


def unmark_numbers(text: str) -> str:
    """Write the marked numbers of a text in their own figures."""
    return _MARKED.sub(lambda found: written(int(found.group(2)), found.group(1)), text) if _FIGURE in text else text
