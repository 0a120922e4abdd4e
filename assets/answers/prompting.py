"""A question and passages as messages to a language model, within a budget of tokens. Pure.

Passages are data: each stands between two lines that begin with a mark which nobody who wrote a passage could know,
since it is made of all passages and the question together. Prompts are files: `<name>.<version>.<language>.txt`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from resources.completions import Message, inert

PROMPTS = Path(__file__).parent / "prompts"
VERSION = "answer.1"
SPARE_TOKENS = 64
"""For what a server puts around messages."""

_KANA = re.compile(r"[぀-ヿｦ-ﾟ]")
_HAN = re.compile(r"[一-鿿]")
_HANGUL = re.compile(r"[가-힯]")
_LATIN = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Source:
    """A passage as a model is shown it.

    Attributes:
        title: of its document, with the headings that it stands under.
        place: where it is, for people.
        text: the passage.
    """

    title: str
    place: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """What is sent.

    Attributes:
        messages: system and user.
        used: how many of the passages are in it, from the first.
        version: of the prompt: its file and a digest of its text.
    """

    messages: list[Message]
    used: int
    version: str


def language_of(question: str) -> str:
    """Return the language to answer in: `Japanese`, `English`, or a phrase that leaves it to the model.

    Args:
        question: as asked.
    """
    if _KANA.search(question):
        return "Japanese"
    if _HAN.search(question):  # Japanese without kana, or Chinese.
        return "Japanese" if len(question) < 12 else "the language of the question"
    if _HANGUL.search(question):
        return "the language of the question"
    foreign = [c for c in question if c.isalpha() and not c.isascii()]
    return "English" if _LATIN.search(question) and not foreign else "the language of the question"


@cache
def template(version: str, language: str) -> tuple[str, str]:
    """Return the text of a prompt and what names it: version, language, digest.

    Args:
        version: file without language and ending.
        language: `en` or `ja`.
    """
    text = (PROMPTS / f"{version}.{language}.txt").read_text(encoding="utf-8")
    return text.strip(), f"{version}.{language}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def count_tokens(text: str) -> int:
    """Guess at tokens from above: a third of the ASCII characters, and more than one for every other.

    Args:
        text: of any language.
    """
    plain = sum(character.isascii() for character in text)
    return plain // 3 + (len(text) - plain) * 5 // 4 + 1


def make_prompt(question: str, sources: Sequence[Source], *, most_tokens: int, version: str = VERSION) -> Prompt:
    """Put a question and as many passages as fit, from the first on, into messages.

    Args:
        question: as asked.
        sources: the best first; one at least.
        most_tokens: of all messages together. The first passage is shortened where not even it fits.
        version: of the prompt.
    """
    language = language_of(question)
    text, name = template(version, "ja" if language == "Japanese" else "en")
    mark = _mark(question, sources)
    system = text.replace("{language}", language).replace("{mark}", mark)
    left = most_tokens - SPARE_TOKENS - count_tokens(system) - count_tokens(_asked(question, mark))
    blocks: list[str] = []
    for number, source in enumerate(sources, 1):
        block = _block(number, source, mark)
        if count_tokens(block) > left:
            if not blocks:
                blocks.append(_shortened(number, source, mark, left))
            break
        blocks.append(block)
        left -= count_tokens(block)
    user = "\n\n".join([*blocks, _asked(question, mark)])
    return Prompt([{"role": "system", "content": system}, {"role": "user", "content": user}], len(blocks), name)


def _mark(question: str, sources: Sequence[Source]) -> str:
    digest = hashlib.sha256(question.encode("utf-8", "replace"))
    for source in sources:
        digest.update(f"\x00{source.title}\x00{source.text}".encode("utf-8", "replace"))
    return f"#{digest.hexdigest()[:10]}"


def _block(number: int, source: Source, mark: str) -> str:
    title = inert(" ".join(source.title.split()))
    return f"{mark} passage [{number}], from: {title}\n{inert(source.text)}\n{mark} end of passage [{number}]"


def _shortened(number: int, source: Source, mark: str, left: int) -> str:
    text = source.text
    while text and count_tokens(_block(number, Source(source.title, source.place, text), mark)) > left:
        text = text[: len(text) * 3 // 4]
    return _block(number, Source(source.title[:80], source.place, text), mark)


def _asked(question: str, mark: str) -> str:
    return f"{mark} question\n{inert(question)}"
