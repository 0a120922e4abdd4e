"""How good answers are, by rules alone: no model judges, so that the same answers have the same figures. Pure.

| figure | over | what it is |
|---|---|---|
| answered | questions that can be answered | share that was answered with a citation |
| refused | questions that cannot | share of which it was said that the documents do not answer |
| citations_valid | citations | share that named a passage which was shown |
| cites_the_source | answered, where documents are known | share that cites a document that answers |
| supported | sentences of answers | share whose words stand in the passages that it cites |
| f1 | questions that can be answered | token-level F1 against the nearest expected answer; 0 where not answered |

F1 is SQuAD's (Rajpurkar et al. 2016: lower case, punctuation and English articles away), with Japanese, Chinese and
Korean taken by characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SUPPORT = 0.6
"""Share of a sentence's words that have to stand in what it cites; every number has to."""

_TOKEN = re.compile(r"[぀-ヿ一-鿿가-힯]|[^\W_぀-ヿ一-鿿가-힯]+")
_ARTICLES = frozenset({"a", "an", "the"})
_COMMON = _ARTICLES.union(
    ("and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "that", "this"),
    ("to", "was", "were", "which", "with", "has", "have", "had", "not", "they", "he", "she", "who", "when", "can"),
)
_KANA = re.compile(r"[ぁ-ゟ]")


def tokens(text: str) -> list[str]:
    """Return words in lower case, and the characters of scripts without blanks.

    Args:
        text: of any language.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    return [token for token in _TOKEN.findall(plain) if token not in _ARTICLES]


def f1(answer: str, expected: Iterable[str]) -> float:
    """Return the token-level F1 of an answer against the nearest of those expected.

    Args:
        answer: without marks.
        expected: answers that are right; one at least.
    """
    return max((_f1(tokens(answer), tokens(right)) for right in expected), default=0.0)


def _f1(given: list[str], right: list[str]) -> float:
    common = sum((Counter(given) & Counter(right)).values())
    if not given or not right or common == 0:
        return float(given == right)
    precision, recall = common / len(given), common / len(right)
    return 2 * precision * recall / (precision + recall)


def is_supported(sentence: str, cited: Sequence[str]) -> bool:
    """Say whether a sentence's words stand in the passages that it cites: 60 % of them, and every number.

    Common English words and single hiragana are left out: they stand everywhere. It does not see a negation or words
    that were put together anew; it sees what was made up.

    Args:
        sentence: without marks.
        cited: the passages; none supports nothing.
    """
    there = {token for text in cited for token in tokens(text)}
    meant = [token for token in tokens(sentence) if token not in _COMMON and not _KANA.fullmatch(token)]
    if not meant or not there:
        return False
    if any(token not in there for token in meant if token.isdecimal()):
        return False
    return sum(token in there for token in meant) / len(meant) >= SUPPORT


@dataclass(frozen=True)
class Judged:
    """One question with its answer, judged.

    Attributes:
        answerable: whether the documents hold the answer.
        answered: whether it was answered, with a citation.
        refused: whether it was said that the documents do not answer; what cites nothing is neither.
        f1: against the expected answers.
        citations: that stand.
        dropped: that named nothing.
        sentences: of the answer.
        supported: of those.
        cites_the_source: whether a document that answers is among those cited; None where nobody knows them.
        seconds: that it took.
        tokens: of prompt and answer.
    """

    answerable: bool
    answered: bool
    refused: bool
    f1: float
    citations: int
    dropped: int
    sentences: int
    supported: int
    cites_the_source: bool | None
    seconds: float
    tokens: int


def figures(judged: Sequence[Judged]) -> dict[str, float]:
    """Return the figures of the table above; one is absent where there is nothing to take it of.

    Args:
        judged: all questions.
    """
    can = [one for one in judged if one.answerable]
    cannot = [one for one in judged if not one.answerable]
    answered = [one for one in can if one.answered]
    sourced = [one for one in answered if one.cites_the_source is not None]
    citations = sum(one.citations for one in judged)
    parts = {
        "answered": (len(answered), len(can)),
        "refused": (sum(one.refused for one in cannot), len(cannot)),
        "citations_valid": (citations, citations + sum(one.dropped for one in judged)),
        "cites_the_source": (sum(bool(one.cites_the_source) for one in sourced), len(sourced)),
        "supported": (sum(one.supported for one in judged), sum(one.sentences for one in judged)),
        "f1": (sum(one.f1 for one in can), len(can)),
        "seconds": (sum(one.seconds for one in judged), len(judged)),
        "tokens": (sum(one.tokens for one in judged), len(judged)),
    }
    return {name: part / whole for name, (part, whole) in parts.items() if whole}
