"""Which language a document is in: told by its script where that decides, by its letters elsewhere."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

UNDETERMINED = "und"
SAMPLE = 6_000
"""Characters whose script is looked at."""

LETTER_SAMPLE = 2_000
"""Characters whose letters are compared with profiles: that takes 10 ms, which is what many a page takes to parse."""

LEAST = 40
"""Letters below which nothing is said."""

LEAST_KANA = 0.03
"""Share of kana in Japanese: a の in a Chinese shop's name is less."""

SURE = 0.8
"""Probability below which a guess is none: names and numbers look like every language."""

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_JAPANESE_ONLY = re.compile("[々〆県町込働畑辻匂峠円髙﨑圧仮児塩]|丁目|株式会社|有限会社")
"""Characters and words that neither form of Chinese uses: lists of names and addresses have no kana."""

_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[a-z]+")
_ENGLISH = frozenset({"the", "of", "and", "to", "in", "is", "that", "for", "with", "are", "this", "be", "by", "from"})
_ONLY_ENGLISH = frozenset({"the", "and", "that", "with", "this", "from"})
_CODE = re.compile(r"[a-z]{2}")
_SHORT = {"jpn": "ja", "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "kor": "ko",
          "zho": "zh", "chi": "zh", "ita": "it", "por": "pt"}  # fmt: skip
"""ISO 639-2 codes that documents declare, as ISO 639-1."""


def detect_language(text: str, declared: str | None = None) -> str:
    """Return the ISO 639-1 code of a text's language, `und` where nothing can be told.

    Args:
        text: of a document.
        declared: what the document says itself, as `ja-JP`; believed only where the text does not decide.
    """
    sample = text[:SAMPLE]
    letters = len(_LETTER.findall(sample))
    han, kana, hangul = (len(script.findall(sample)) for script in (_HAN, _KANA, _HANGUL))
    if letters < LEAST and not kana and not hangul:
        return _declared(declared)
    if han + kana + hangul > letters * 0.3:
        if hangul > han + kana:
            return "ko"
        if kana > (han + kana) * LEAST_KANA:
            return "ja"
        return "ja" if _declared(declared) == "ja" or _JAPANESE_ONLY.search(sample) else "zh"
    if _is_english(sample):
        return "en"
    return _by_letters(sample[:LETTER_SAMPLE]) or _declared(declared)


def _declared(declared: str | None) -> str:
    code = re.split(r"[-_]", (declared or "").strip().lower())[0]
    return _SHORT.get(code, code if _CODE.fullmatch(code) else UNDETERMINED)


def _is_english(sample: str) -> bool:
    """Say whether a fifth of the words are the small ones of English, some of them in no other language."""
    words = _WORD.findall(sample.lower())
    small = sum(word in _ENGLISH for word in words)
    return len(words) >= 8 and small > len(words) * 0.2 and sum(word in _ONLY_ENGLISH for word in words) > small / 3


def _by_letters(sample: str) -> str | None:
    from langdetect.lang_detect_exception import LangDetectException

    detector = _factory().create()
    detector.append(sample)
    try:
        best = detector.get_probabilities()[0]
    except (LangDetectException, IndexError):
        return None
    return str(best.lang).partition("-")[0] if best.prob >= SURE else None


@cache
def _factory() -> Any:
    """Load the profiles once; the seed makes the same text give the same answer."""
    from langdetect import detector_factory

    detector_factory.DetectorFactory.seed = 0
    detector_factory.init_factory()
    return detector_factory._factory  # noqa: SLF001  # The library's own shortcut makes it, and keeps it there.
