"""What an answer cites, and what of it stands. Pure.

A citation is the number of a passage in square brackets, `[2]`, `[1, 3]` or in full width. One that names no passage
which was shown is dropped and counted, whether the answer comes whole or in pieces.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

REFUSAL = "NOT_IN_DOCUMENTS"

_NUMBER = r"[0-9０-９]{1,4}"
_MARK = re.compile(
    rf"(\s*)[\[［【] ?(?:passages? ?|抜粋 ?)?({_NUMBER}(?: ?[,、，;] ?{_NUMBER}){{0,7}}) ?[\]］】]", re.IGNORECASE
)
_ECHO = re.compile(r"#[0-9a-f]{10} (?:end of )?passage \[[0-9]{1,4}\]")
"""The line around a passage, as `prompting` writes it: a model that copies it has cited nothing."""

_OPEN = re.compile(
    r"(?:(?<!\s)\s+)?(?:[\[［【][^\]］】]{0,80}"
    r"|#[0-9a-f]{0,10}(?:(?<=#[0-9a-f]{10}) [a-z ]{0,16}(?:\[[0-9]{0,4})?)?)?\Z"
)
"""What may become a mark or such a line: longer than any; a blank before it goes with it where none of it stands."""

_THOUGHT = ("<think>", "</think>")
_END = re.compile(r"(?:[.!?](?=\s|\Z)|[。！？]|\n)+")
_REFUSING = re.compile(r"\W*" + r"[\s_]*".join(REFUSAL.split("_")) + r"\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """A sentence of an answer.

    Attributes:
        text: without its marks.
        cites: numbers of passages, from 1, in order, each once.
    """

    text: str
    cites: tuple[int, ...]


@dataclass
class Checked:
    """An answer whose citations are checked as it comes.

    Attributes:
        passages: how many were shown.
        dropped: citations that named none of them.
        text: what has come so far, with the marks that stand.
    """

    passages: int
    dropped: int = 0
    text: str = ""
    _held: str = field(default="", repr=False)
    _begun: bool = False

    def add(self, piece: str) -> str:
        """Take in a piece and return what can be shown: a mark is held back until it is whole, thoughts for good."""
        self._held += piece
        if not self._begun and not self._begin():
            return ""
        opened = _OPEN.search(self._held)
        return self._show(opened.start() if opened else len(self._held))

    def end(self) -> str:
        """Return what was held back."""
        if not self._begun and not self._begin() and self._held.lstrip().startswith(_THOUGHT[0]):
            self._held = ""  # A thought that did not end is no answer.
        return self._show(len(self._held))

    def _begin(self) -> bool:
        """Say whether the answer has begun, behind what a model may think aloud before it."""
        bare = self._held.lstrip()
        opening, closing = _THOUGHT
        if bare.startswith(opening):
            said = bare.partition(closing)[2].lstrip()
            if not said:  # Nothing yet behind the thought, or blanks alone, which go with it.
                return False
            self._held = said
        elif opening.startswith(bare):
            return False
        self._begun = True
        return True

    def _show(self, ready: int) -> str:
        shown = _MARK.sub(self._judged, _ECHO.sub("", self._held[:ready]))
        self._held = self._held[ready:]
        self.text += shown
        return shown

    def _judged(self, mark: re.Match[str]) -> str:
        numbers = numbers_of(mark)
        standing = [number for number in numbers if 1 <= number <= self.passages]
        self.dropped += len(numbers) - len(standing)
        return mark[1] * bool(standing) + "".join(f"[{number}]" for number in standing)


def numbers_of(mark: re.Match[str]) -> list[int]:
    """Return the numbers in a mark."""
    plain = unicodedata.normalize("NFKC", mark[2])
    return [int(digits) for digits in re.findall(r"[0-9]+", plain)]


def is_refusal(text: str) -> bool:
    """Say whether an answer is the agreed word for: the passages do not answer.

    A model may add a sentence to it; one that goes on to cite has answered.

    Args:
        text: whole.
    """
    return bool(_REFUSING.fullmatch(text)) or (REFUSAL in text and not _MARK.search(text))


def may_become_refusal(text: str) -> bool:
    """Say whether an answer that has only begun may still become that word: it is not shown meanwhile.

    Args:
        text: as far as it has come.
    """
    bare = re.sub(r"\W", "", text).upper()
    return bare.startswith(REFUSAL) or REFUSAL.startswith(bare)


def claims_of(text: str) -> tuple[Claim, ...]:
    """Return the sentences of a checked answer with what each cites; marks after its end belong to it.

    Args:
        text: whole, with the marks that stand.
    """
    pieces: list[str] = []
    start = 0
    for end in _END.finditer(text):
        stop = end.end()
        following = re.compile(r"(?:\s*\[[0-9]+\])+").match(text, stop)
        if following and not re.search(r"\[[0-9]+\]\s*\W*\Z", text[start:stop]):
            stop = following.end()
        if stop > start:
            pieces.append(text[start:stop])
        start = max(start, stop)
    pieces.append(text[start:])
    claims = []
    for piece in pieces:
        cites = tuple(dict.fromkeys(int(number) for number in re.findall(r"\[([0-9]+)\]", piece)))
        bare = " ".join(re.sub(r"\s*\[[0-9]+\]", "", piece).split())
        if re.search(r"\w", bare):
            claims.append(Claim(bare, cites))
        elif cites and claims:
            claims[-1] = Claim(claims[-1].text, tuple(dict.fromkeys((*claims[-1].cites, *cites))))
    return tuple(claims)
