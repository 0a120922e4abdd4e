"""What a parser process holds before its first file: quiet libraries, and rules where a model would be.

Imported before any of unstructured: by the server that parser processes are forked from, and by the readers.

unstructured asks spaCy's English model how many sentences and words a line has, and whether it holds a verb,
to tell a title from a paragraph. That model is downloaded while parsing where it is absent, takes nine tenths
of the time on text formats and knows no Japanese. Three rules answer the same questions
(docs/decisions/0003-sentences-without-a-model.md).
"""

import logging
import os
import re
import warnings
from functools import lru_cache

from resources.parser_pool import TELEMETRY_OFF

for _name, _value in TELEMETRY_OFF.items():  # Read when the libraries are imported, below and later.
    os.environ.setdefault(_name, _value)

from unstructured.nlp import tokenize  # noqa: E402

_SENTENCE = re.compile(r"[^.!?。！？．…]+[.!?。！？．…]*|[.!?。！？．…]+")
_WORD = re.compile(r"\w+|[^\w\s]")

warnings.filterwarnings("ignore")
logging.getLogger("unstructured").setLevel(logging.ERROR)
logging.getLogger("pdfminer").setLevel(logging.ERROR)


@lru_cache(maxsize=256)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(piece.strip() for piece in _SENTENCE.findall(text) if piece.strip())


def _sent_tokenize(text: str) -> list[str]:
    return list(_sentences(text))


def _word_tokenize(text: str) -> list[str]:
    return _WORD.findall(text)


def _pos_tag(text: str) -> list[tuple[str, str]]:
    """Call no word a verb: a short line of print is then a title unless it has two sentences."""
    return [(word, "") for word in _WORD.findall(text)]


tokenize.sent_tokenize = _sent_tokenize
tokenize.word_tokenize = _word_tokenize
tokenize.pos_tag = _pos_tag
