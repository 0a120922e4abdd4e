"""What a Word document's styles say of its paragraphs: which are headings, which are hidden, which are numbered."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from lxml import etree

from assets.elements.readers.office.package import attribute, child, whole_number

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

_HEADING = re.compile(r"(?:heading|見出し|标题|標題|제목)\s*([1-9])")
_NAMED_LEVELS = {"title": 1, "表題": 1, "タイトル": 1, "subtitle": 2, "副題": 2, "サブタイトル": 2}
_BODY_TEXT = 9
"""The outline level that is none."""

_SMALLEST = 2
"""Half points: text of one point or less is not there to be read."""


class Styles:
    """The styles of a document, each looked up once."""

    def __init__(self, root: Any | None) -> None:
        """Index the styles of `styles.xml`; without it there are none."""
        self._styles: dict[str, Any] = {}
        self._default: str | None = None
        self._known: dict[tuple[str, str | None], Any] = {}
        for style in () if root is None else root.iter(f"{W}style"):
            name = attribute(style, "styleId") or ""
            self._styles.setdefault(name, style)
            if attribute(style, "default") in {"1", "true"} and attribute(style, "type") == "paragraph":
                self._default = name

    def level(self, properties: Any | None) -> int:
        """Return the heading level of a paragraph with these properties, from 1; 0 if it is no heading.

        An outline level decides where there is one, the paragraph's own first. A style without it is a heading by
        its name, which other programs than Word write in their user's language.
        """
        own = _outline(properties)
        if own is not None:
            return _level(own)
        name = _value(properties, "pStyle")
        return 0 if name is None else int(self._once("level", name, self._find_level))

    def is_hidden(self, run_properties: Any | None, paragraph_style: str | None) -> bool:
        """Say whether a run is hidden: by itself, by its character style or by its paragraph's style."""
        own = _vanishes(run_properties)
        if own is None:
            own = self._style_hides(_value(run_properties, "rStyle"))
        return self._style_hides(paragraph_style) is True if own is None else own

    def is_numbered(self, properties: Any | None) -> bool:
        """Say whether a paragraph with these properties may bear a number."""
        if properties is None:
            return False
        if child(properties, "numPr") is not None:
            return True
        name = _value(properties, "pStyle")
        return name is not None and bool(self._once("numbered", name, self._find_numbering))

    def reduced(self) -> Any:
        """Return the styles as unstructured needs them: their names, what they are based on, their numbering."""
        root = etree.Element(f"{W}styles", nsmap={"w": W[1:-1]})
        for style in self._styles.values():
            copied = etree.SubElement(root, f"{W}style", dict(style.attrib))
            names = (style.find(f"{W}{name}") for name in ("name", "basedOn"))
            copied.extend([deepcopy(part) for part in names if part is not None])
            properties = etree.SubElement(copied, f"{W}pPr")
            found = (style.find(f"{W}pPr/{W}{name}") for name in ("numPr", "outlineLvl"))
            properties.extend([deepcopy(part) for part in found if part is not None])
        return root

    def _style_hides(self, name: str | None) -> bool | None:
        found: bool | None = self._once("hidden", name or self._default, self._find_hiding) if self._styles else None
        return found

    def _once(self, question: str, name: str | None, find: Callable[[str], Any]) -> Any:
        key = (question, name)
        if key not in self._known:
            self._known[key] = find(name) if name is not None else None
        return self._known[key]

    def _chain(self, name: str) -> Iterator[Any]:
        """Yield a style and those that it is based on, nearest first."""
        seen: set[str] = set()
        current: str | None = name
        while current is not None and current in self._styles and current not in seen:
            seen.add(current)
            yield self._styles[current]
            current = _value(self._styles[current], "basedOn")

    def _find_level(self, name: str) -> int:
        outline = (_outline(child(style, "pPr")) for style in self._chain(name))
        found = next((level for level in outline if level is not None), None)
        if found is not None:
            return _level(found)
        names = (_value(style, "name") or "" for style in self._chain(name))
        return next((level for level in map(_named_level, names) if level), 0)

    def _find_hiding(self, name: str) -> bool | None:
        found = (_vanishes(child(style, "rPr")) for style in self._chain(name))
        return next((hides for hides in found if hides is not None), None)

    def _find_numbering(self, name: str) -> bool:
        found = (child(style, "pPr") for style in self._chain(name))
        return any(properties is not None and child(properties, "numPr") is not None for properties in found)


def _value(element: Any | None, name: str) -> str | None:
    found = None if element is None else element.find(f"{W}{name}")
    return None if found is None else found.get(f"{W}val")


def _outline(properties: Any | None) -> int | None:
    value = _value(properties, "outlineLvl")
    return None if value is None else whole_number(value, _BODY_TEXT)


def _level(outline: int) -> int:
    return outline + 1 if 0 <= outline < _BODY_TEXT else 0


def _named_level(name: str) -> int:
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    found = _HEADING.fullmatch(folded)
    return int(found.group(1)) if found else _NAMED_LEVELS.get(folded, 0)


def _vanishes(properties: Any | None) -> bool | None:
    if properties is None:
        return None
    found = properties.find(f"{W}vanish")
    if found is not None:
        return found.get(f"{W}val") not in {"0", "false", "off"}
    size = _value(properties, "sz")
    return True if size is not None and whole_number(size, _SMALLEST + 1) <= _SMALLEST else None
