"""What a chunk may hold where several models are to read it: the collection's own size, and every kept space's limit.

A chunk is shared by all spaces. It is cut by the tokens of one tokenizer; where another space's model reads less, or
counts otherwise, its count is scaled so that its limit stands where the collection's own does. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from resources.tokenizers import load_tokenizer

MARKS = 8
"""Tokens that a model adds to an input by itself, at most."""

LEAST = 16
"""A chunk is never asked to be smaller than this, however little a model reads."""

Count = Callable[[str], int]


@dataclass(frozen=True)
class Reading:
    """What the model of a space reads of one input.

    Attributes:
        tokenizer: whose tokens count.
        token_limit: how many it reads, with its own marks.
        prefix: put before each passage.
    """

    tokenizer: str
    token_limit: int
    prefix: str = ""

    @property
    def room(self) -> int:
        """Tokens that are left for a passage."""
        return max(LEAST, self.token_limit - MARKS - (load_tokenizer("estimate").count(self.prefix)))


def limits_of(readings: Iterable[Reading], tokenizer: str, max_tokens: int) -> dict[str, int]:
    """Return by tokenizer what spaces leave for a passage, where the collection's own size does not see to it.

    Args:
        readings: of the spaces.
        tokenizer: that a collection is cut by.
        max_tokens: of its chunks.
    """
    limits: dict[str, int] = {}
    for reading in readings:
        if reading.tokenizer != tokenizer or reading.room < max_tokens:
            limits[reading.tokenizer] = min(reading.room, limits.get(reading.tokenizer, reading.room))
    return limits


def exceeds(text: str, limits: Mapping[str, int]) -> bool:
    """Say whether a text is longer than one of the limits.

    No tokenizer makes more tokens than bytes and a mark, so that a short text is not counted at all.
    """
    size = len(text.encode()) + 2
    return any(size > room and load_tokenizer(name).count(text) > room for name, room in limits.items())


def counter(tokenizer: str, limits: Mapping[str, int], max_tokens: int) -> Count:
    """Return a function that counts a text so that `max_tokens` of its count keep every limit.

    Args:
        tokenizer: that the collection is cut by.
        limits: of other spaces, by tokenizer.
        max_tokens: of its chunks.
    """
    count = load_tokenizer(tokenizer).count
    if not limits:
        return count
    others = [(load_tokenizer(name).count, room) for name, room in limits.items()]

    def scaled(text: str) -> int:
        tokens = count(text)
        size = len(text.encode()) + 2
        for other, room in others:
            # As many bytes as room, or fewer, cannot be over it, and what is far from it needs no exact count.
            if size * max_tokens > tokens * room:
                tokens = max(tokens, math.ceil(other(text) * max_tokens / room))
        return tokens

    return scaled
