"""Where a sentence ends, in English and Japanese. Pure.

A full stop is not always one: it stands after an abbreviation, an initial and a number too. Where it is not
certain, no sentence end is seen: a chunk then ends at another one, and a sentence stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENING = "「『（〔【《〈"
_CLOSING = "」』）〕】》〉"
_AFTER = _CLOSING + "”’\"')]"
CLOSERS = re.escape(_AFTER)
"""Quotes and brackets that belong to the sentence before them, as part of a character class."""

_WIDE = r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]"

_MARKS = re.compile(
    rf"(?P<opening>[{_OPENING}])"
    rf"|(?P<wide>(?:[。！？｡．]+[{CLOSERS}]*)+)"
    rf"|(?P<narrow>(?<![.!?…])[.!?…]++[{CLOSERS}]*+(?=\s|$))"
    rf"|(?P<tight>(?<={_WIDE})[.!?]++[{CLOSERS}]*+(?={_WIDE}))"
    rf"|(?P<closing>[{_CLOSING}])"
    r"|(?P<line>\n)"
)

"""A row of marks is looked at once, from its first: a million full stops must not take a million squared steps."""

_SENTENCE_END = re.compile(rf"[。！？｡．.!?…][{CLOSERS}]*\s*\Z")

_GOES_ON = re.compile(r"[とはがをにのもでやへかなっだ等、，]")
"""After a closing quote these carry the sentence on that the quote stands in: 「…。」と言った."""

_ABBREVIATIONS = re.compile(
    r"(?:mr|mrs|ms|dr|prof|rev|hon|gen|col|capt|lt|sgt|gov|sen|rep|st|jr|sr|messrs|mme|vs|etc|e\.g|i\.e|cf|ca|viz|al"
    r"|approx|dept|est|figs?|tab|eqs?|refs?|inc|ltd|co|corp|bros|mt|ave|blvd|jan|feb|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|tel|ext|ph\.d|(?:[a-z]\.)+[a-z])"
)

_BEFORE_NUMBERS = re.compile(r"(?:nos?|secs?|ch|pp?|vols?|arts?|paras?|ver|pts?|app)")
"""Words that are abbreviations where a number follows."""

_LAST_WORD = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]+\Z|\d+\Z")
_LONGEST_WORD = 16
_BEFORE_ITEM = re.compile(r"(?:\A|[\n:：])[^\S\n]*[(（]?\Z")
_LONGEST_ITEM = 3


def sentence_ends(text: str, start: int, end: int) -> Iterator[tuple[int, bool]]:
    """Find the sentence ends within a part of a text.

    Yields the character after each, with its closing quotes, and whether it stands outside quotes and
    brackets: a sentence that is quoted inside another one ends too, but the outer one goes on.

    Args:
        text: any text.
        start: first character of the part.
        end: character after its last.
    """
    depth, sentence = 0, start
    for mark in _MARKS.finditer(text, start, end):
        kind, found = mark.lastgroup, mark.group()
        if kind == "line":
            depth = 0  # A bracket that was never closed must not hold a whole document together.
        elif kind == "opening":
            depth += 1
        elif kind == "closing":
            depth = max(0, depth - 1)
        else:
            depth = max(0, depth - sum(map(_CLOSING.count, found)))
            if mark.end() < end and not _is_other_mark(text, sentence, mark):
                sentence = mark.end()
                yield mark.end(), depth == 0 and not _goes_on(text, mark)


def ends_sentence(text: str) -> bool:
    """Say whether a text ends with a mark that ends sentences."""
    return _SENTENCE_END.search(text, max(0, len(text) - 16)) is not None


def _is_other_mark(text: str, start: int, mark: re.Match[str]) -> bool:
    """Say whether a mark belongs to an abbreviation, an initial or a number, in a sentence that begins at `start`."""
    found = mark.group()
    if found.rstrip(_AFTER) not in {".", "．"}:
        return False
    word = _LAST_WORD.search(text[max(start, mark.start() - _LONGEST_WORD) : mark.start()])
    if word is None:
        return False
    before = text[max(start, mark.start() - len(word.group()) - 8) : mark.start() - len(word.group())]
    following = text[mark.end() : mark.end() + 4].lstrip()
    if word.group().isdecimal():
        decimal = mark.lastgroup == "wide" and following[:1].isdecimal() and not text[mark.end()].isspace()
        return decimal or (len(word.group()) <= _LONGEST_ITEM and _BEFORE_ITEM.search(before) is not None)
    return _is_abbreviated(word.group(), before, following)


def _is_abbreviated(word: str, before: str, following: str) -> bool:
    lower = word.lower()
    if _ABBREVIATIONS.fullmatch(lower):
        return True
    if len(word) == 1:  # An initial, as in "J. Smith", or an item's letter, as in "a. Open".
        return word.isupper() or _BEFORE_ITEM.search(before) is not None
    return _BEFORE_NUMBERS.fullmatch(lower) is not None and following[:1].isdecimal()


def _goes_on(text: str, mark: re.Match[str]) -> bool:
    """Say whether a sentence goes on after a quote that ends with a sentence end."""
    if mark.group()[-1] in _CLOSING:
        return _GOES_ON.match(text, mark.end()) is not None
    if mark.lastgroup == "narrow" and mark.group()[-1] in "\"'”’)":
        return text[mark.end() : mark.end() + 2].lstrip()[:1].islower()
    return False
