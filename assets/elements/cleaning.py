"""What is taken out of text before it is stored: what a text column cannot hold, and what nobody can see.

Each character that goes is counted. What a reader would see stays as it was written: full and half width,
circled numbers and ligatures are folded for search alone.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Control characters, lone surrogates and noncharacters."""

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""What ends a line besides a line feed: form feeds between pages, Word's soft breaks, separators of records."""

_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0000-\U000e007f]+")
"""Tag characters, in which an instruction can hide; those of a flag, as of Scotland, follow a black flag."""

_DIRECTION = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
"""Marks of writing direction: they mean something where a script runs from right to left."""

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdfd\ufe70-\ufefc]")

_NEVER_VISIBLE = re.compile("[\u200b\u2060-\u2064\ufeff\u180e\u00ad\u115f\u1160\u3164\uffa0\U0001d173-\U0001d17a]")
"""Zero-width spaces, soft hyphens, byte order marks inside a text, fillers."""

_JOINERS = re.compile("[\u200c\u200d]")
"""Zero-width (non-)joiners: they shape emoji, Persian and Indic letters, and mean nothing elsewhere."""

_JOINED = re.compile(
    "(?<=[\u0600-\u08ff\u0900-\u0dff\u0e00-\u109f\u1780-\u18af\U0001f000-\U0001faff\u2600-\u27bf\ufe0f])[\u200c\u200d]"
)

_SELECTORS = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_VARIATION = re.compile(f"^{_SELECTORS}+|(?<=\\s){_SELECTORS}+|(?<={_SELECTORS}){_SELECTORS}+")
"""Variation selectors that follow nothing, or each other: bytes can hide there. One after a kanji chooses its form."""


@dataclass
class Cleaner:
    """Takes out what should not be stored, and counts it.

    Attributes:
        stripped: control characters and lone surrogates taken out.
        invisible: characters taken out that nobody could see.
    """

    stripped: int = 0
    invisible: int = 0

    def clean(self, text: str) -> str:
        """Return the text without them, line ends unified, outer blanks removed."""
        text = _LINE_ENDS.sub("\n", text)
        if not text.isascii():
            text = self._without_invisible(text)
        text, count = _CONTROL.subn("", text)
        self.stripped += count
        return text.strip()

    def _without_invisible(self, text: str) -> str:
        before = len(text)
        for pattern in (_TAGS, _VARIATION, _NEVER_VISIBLE):
            text = pattern.sub("", text)
        if not _RIGHT_TO_LEFT.search(text):
            text = _DIRECTION.sub("", text)
        if _JOINERS.search(text):
            kept = _JOINED.sub(lambda found: "\ue000" if found.group() == "\u200c" else "\ue001", text)
            if "\ue000" not in text and "\ue001" not in text:
                text = _JOINERS.sub("", kept).replace("\ue000", "\u200c").replace("\ue001", "\u200d")
        self.invisible += before - len(text)
        return text

    def clean_all(self, value: Any) -> Any:
        """Return a value of lists, dictionaries and strings with each string cleaned."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.clean(str(key)): self.clean_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_all(item) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            return None  # JSON has no such number.
        return value

    def counts(self) -> dict[str, int]:
        """Return what was taken out, by name."""
        return {"stripped": self.stripped, "invisible": self.invisible}
