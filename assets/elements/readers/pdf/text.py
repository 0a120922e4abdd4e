"""How pieces of print become running text again: what stands between two of them, in English and in Japanese."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_WIDE = (
    "\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff60\uffe0-\uffe6\U00020000-\U0003ffff"
)
_IS_WIDE = re.compile(f"[{_WIDE}]")
"""Characters between which Japanese and Chinese set no blank. Korean sets blanks, and is not among them."""

_BROKEN = re.compile(r"([^\W\d_]+)[-\u2010\u00ad]$")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W_]+(?:[-\u2010][^\W_]+)*")
_LINK = re.compile(r"(?:https?://|www\.)\S*$")

_PREFIXES = frozenset({"all", "cross", "ex", "half", "high", "long", "low", "non", "self", "short", "well"})
"""Words that keep their hyphen: a line that ends in one of them was cut at a hyphen that is written."""

MARKER = re.compile(
    r"(?:[•‣◦⁃∙●○◆◇■□▪▫▶►➢➤✓✔\uf0a7\uf0b7\uf06e\uf0d8·・]\s*|[-*–—]\s+|[①-⑳❶-❿㋐-㋾㊀-㊉]\s*"
    r"|(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})\)|\d{1,3}\.|[a-z]\.)\s+|[（(](?:[0-9０-９]{1,2}|[ア-ン一二三四五六七八九十])[)）]\s*"
    r"|[０-９]{1,2}[．.）)、]\s*|[一二三四五六七八九十]{1,2}[、．]\s*|[ア-ン][．、]\s*)"
)
"""How an item of a list begins."""

BULLET = re.compile(r"[•‣◦⁃∙●○◆◇■□▪▫▶►➢➤✓✔\uf0a7\uf0b7\uf06e\uf0d8·・*–—-]\s*")


def is_wide(character: str) -> bool:
    """Tell whether Japanese or Chinese sets no blank beside a character."""
    return bool(character) and _IS_WIDE.match(character) is not None


def needs_blank(left: str, right: str, gap: float) -> bool:
    """Tell whether a gap inside a line is a blank.

    Args:
        left: what stands before it.
        right: what stands after it.
        gap: its width, as a share of the font size.
    """
    if not left or not right or left[-1].isspace() or right[0].isspace():
        return False
    wide = is_wide(left[-1]) + is_wide(right[0])
    return gap > (0.15, 0.4, 0.7)[wide]


def join_lines(lines: Sequence[str], words: Collection[str] = ()) -> str:
    """Join the lines of a paragraph.

    Args:
        lines: as printed.
        words: of the whole document, in lower case: they tell whether a hyphen at a line's end is written.
    """
    joined = ""
    for line in lines:
        text = line.strip()
        joined = _joined(joined, text, words) if joined and text else joined or text
    return joined


def _joined(left: str, right: str, words: Collection[str]) -> str:
    if is_wide(left[-1]) and is_wide(right[0]):
        return left + right
    broken = _BROKEN.search(left)
    after = _FIRST_WORD.match(right)
    if broken and after and not _LINK.search(left):
        if left[-1] == "\u00ad":
            return left[:-1] + right
        return (left[:-1] if _is_one_word(broken.group(1), after.group(), words) else left) + right
    if left[-1] in "-/" and _LINK.search(left):
        return left + right
    return f"{left} {right}"


def _is_one_word(first: str, second: str, words: Collection[str]) -> bool:
    one = (first + second).lower()
    if one in words:
        return True
    if f"{first}-{second}".lower() in words or first.lower() in _PREFIXES:
        return False
    return first[-1:].islower() and second[:1].islower()


def words_of(lines: Sequence[str]) -> set[str]:
    """Return the words in the middle of lines, where no line's end has cut them."""
    found: set[str] = set()
    for line in lines:
        if line.isascii() or not _IS_WIDE.search(line):
            found.update(word.lower().replace("\u2010", "-") for word in _WORD.findall(line)[:-1])
    return found


_LETTER = re.compile(r"[^\W\d_]")
_ODD = re.compile(
    r"[^\w\s.,;:!?()\[\]{}'\"“”‘’„«»<>|/\\@#$%&*+=~^\-–—…·•。、「」『』（）［］【】〈〉《》・ー〜～，．：；！？％＆＋−＝／＊￥€£¥°§©®™→←↑↓○●◎◇◆□■△▲▽▼☆★※〒①-⑳Ⅰ-Ⅻⅰ-ⅻ㈱㈲№℡±×÷≤≥≠≈∞√∑∫∂∈∀∃⇒⇔]"
)
_ACCENTED = re.compile("[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0080-\u009f]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
_LATIN_WORD = re.compile(r"[a-zA-Z]{4,}")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")

LEAST_LETTERS = 60


def is_noise(text: str) -> bool:
    """Tell whether text means nothing: codes of a font that were taken for letters.

    Conservative: accents of every language, tables of numbers and formulas pass.
    """
    dense = "".join(text.split())
    if len(dense) < LEAST_LETTERS:
        return False
    size = len(dense)
    if len(_CONTROLS.findall(dense)) > size * 0.2:
        return True
    odd = len(_ODD.findall(dense))
    accented = len(_ACCENTED.findall(dense))
    if odd + accented > size * 0.45 and accented > size * 0.1:
        return True
    if odd > size * 0.5:
        return True
    latin = [word for word in _LATIN_WORD.findall(text) if not word.isupper()]
    letters = len(_LETTER.findall(dense))
    if len(latin) < 25 or sum(map(len, latin)) < letters * 0.5:
        return False
    return sum(1 for word in latin if not _VOWEL.search(word)) > len(latin) * 0.4
