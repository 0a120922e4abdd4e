"""Whether a text goes round in circles, or breaks off, as a weak model's does. Pure, and of no language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

CLAUSE = 8
"""What a run of words weighs at least that counts as one: four words of two, or eight Japanese characters of one."""
TIMES = 3
MOST = 2 / 3
"""Share of a text that repeated clauses make up where it is hardly anything else."""
_UNIT = re.compile(r"(?P<character>[぀-ヿ㐀-䶿一-鿿豈-﫿])|[^\W぀-ヿ㐀-䶿一-鿿豈-﫿]+")
_END = re.compile(r"[.!?。！？…][)\]}\"'”’»」』）]*\s*\Z")


def goes_in_circles(text: str) -> bool:
    """Say whether a clause stands three times in a row, or clauses that come three times make up most of a text.

    Args:
        text: in one case and width.
    """
    found = [(unit[0], 1 if unit["character"] else 2) for unit in _UNIT.finditer(text)]
    words, weights = [word for word, _ in found], [weight for _, weight in found]
    return _stands_in_a_row(words, weights) or _is_mostly_repeated(words, weights)


def _stands_in_a_row(words: Sequence[str], weights: Sequence[int]) -> bool:
    """Look for a place from which a text is its own copy, one period on, for as long as all further times."""
    for period in range(1, len(words) // TIMES + 1):
        same = 0
        for at in range(period, len(words)):
            same = same + 1 if words[at] == words[at - period] else 0
            if same >= (TIMES - 1) * period and sum(weights[at + 1 - period : at + 1]) >= CLAUSE:
                return True
    return False


def _is_mostly_repeated(words: Sequence[str], weights: Sequence[int]) -> bool:
    """Look at every shortest clause, from every word on."""
    clauses = [(at, stop) for at in range(len(words)) if (stop := _end_of_clause(weights, at))]
    times = Counter(tuple(words[at:stop]) for at, stop in clauses)
    repeated = {
        place for at, stop in clauses if times[tuple(words[at:stop])] >= TIMES for place in range(at, stop)
    }  # fmt: skip
    return sum(weights[place] for place in repeated) > MOST * sum(weights)


def _end_of_clause(weights: Sequence[int], at: int) -> int:
    weight = 0
    for place in range(at, len(weights)):
        weight += weights[place]
        if weight >= CLAUSE:
            return place + 1
    return 0


def breaks_off(text: str, most: int) -> bool:
    """Say whether a text is as long as it may be and does not come to the end of a sentence.

    Args:
        text: as it was said.
        most: characters that it may have.
    """
    return len(text) >= most and not _END.search(text)
