"""What the styles of an OpenDocument text say: which paragraphs are titles, what is hidden, how lists are numbered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from assets.elements.readers.office.numerals import written
from assets.elements.readers.office.package import attribute, child, kind_of, whole_number

_TITLES = {"Title": 1, "Subtitle": 2}


class OpenStyles:
    """The styles of a document, its automatic ones among them."""

    def __init__(self, roots: Iterable[Any]) -> None:
        """Index the styles in these parts; a later one wins."""
        self._styles: dict[str, Any] = {}
        self._lists: dict[str, dict[int, Any]] = {}
        self._hidden: dict[str, bool] = {}
        for root in roots:
            for style in root.iter("{*}style"):
                self._styles[attribute(style, "name") or ""] = style
            for style in root.iter("{*}list-style"):
                levels = {whole_number(attribute(level, "level")): level for level in style}
                self._lists[attribute(style, "name") or ""] = levels

    def level(self, name: str | None) -> int:
        """Return the level of a paragraph that is a title by its style alone; 0 if it is none."""
        for style in self._chain(name):
            found = _TITLES.get(attribute(style, "name") or "")
            if found:
                return found
        return 0

    def is_hidden(self, name: str | None) -> bool:
        """Say whether a style hides its text."""
        if name is None:
            return False
        if name not in self._hidden:
            texts = (child(style, "text-properties") for style in self._chain(name))
            shown = (None if text is None else attribute(text, "display") for text in texts)
            self._hidden[name] = next((value for value in shown if value), "true") == "none"
        return self._hidden[name]

    def first_number(self, style: str, depth: int) -> int:
        """Return the number with which a list of this style begins."""
        level = self._lists.get(style, {}).get(depth)
        return 1 if level is None else whole_number(attribute(level, "start-value"), 1)

    def label(self, style: str, depth: int, number: int) -> str:
        """Return what stands before an item of a list: a number as its style writes it, or nothing."""
        level = self._lists.get(style, {}).get(depth)
        if level is None or kind_of(level) != "list-level-style-number":
            return ""
        figure = (attribute(level, "num-format") or "").split(",")[0].strip()
        if not figure:
            return ""
        before, after = attribute(level, "num-prefix") or "", attribute(level, "num-suffix") or ""
        return f"{before}{written(number, figure)}{after}".strip()

    def _chain(self, name: str | None) -> Iterator[Any]:
        seen: set[str] = set()
        while name is not None and name in self._styles and name not in seen:
            seen.add(name)
            yield self._styles[name]
            name = attribute(self._styles[name], "parent-style-name")
