"""What of an answer the text bears out, and how the answers about its parts become one profile. Pure.

A model names people who are in no document, and a document may tell it to; a small one repeats its own prompt. So what
has to occur in the text is looked for there: what does not is dropped and counted, as is what was said to the model.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from assets.profiles.looping import breaks_off, goes_in_circles
from assets.profiles.schema import TITLE_CHARACTERS
from assets.profiles.settings import Profiles

SHORTEST_QUOTE = 2
SHORTEST_SUMMARY = 3
"""Different words; or twice as many Japanese characters. Less is no summary but somebody's word."""
ECHO = 5
"""Words in a row that are in the prompt and not in the document: then the model repeats what it was told."""
_BLANKS = re.compile(r"\s+")
_CJK = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Grounds:
    """A text in which things are looked for, without regard to case, width and blanks."""

    plain: str
    joined: str

    @classmethod
    def of(cls, text: str) -> Grounds:
        """Prepare a text."""
        plain = _plain(text)
        return cls(plain, plain.replace(" ", ""))

    def hold(self, words: str) -> bool:
        """Say whether words occur in the text: as whole words, or, in Japanese, as characters in a row."""
        wanted = _plain(words).strip(" 「」『』\"'“”‘’.,、。")
        if not wanted:
            return False
        if _CJK.search(wanted):
            return wanted.replace(" ", "") in self.joined
        before, after = (r"(?<!\w)" if wanted[0].isalnum() else ""), (r"(?!\w)" if wanted[-1].isalnum() else "")
        return wanted in self.plain and re.search(before + re.escape(wanted) + after, self.plain) is not None


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", text).casefold())


@dataclass
class Profile:
    """What is known of a document in the end.

    Attributes:
        content: what is published.
        entities: how many were named.
        entities_dropped: of these, not in the text.
        dropped: how much else was left out, by kind.
    """

    content: dict[str, Any] = field(default_factory=dict)
    entities: int = 0
    entities_dropped: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Vetting:
    """Looks at what a model says in words of its own."""

    told: str
    read: str
    language: str
    profile: Profile

    @classmethod
    def of(cls, told: str, texts: Iterable[str], language: str, profile: Profile) -> _Vetting:
        return cls(_in_words(told), " ".join(map(_in_words, texts)), language, profile)

    def passed(self, said: Any) -> str | None:
        """Return a text unless it is in another language, an echo of the prompt, or goes round in circles."""
        text = _BLANKS.sub(" ", str(said or "")).strip()
        if not text:
            return None
        faults = {
            "language": _is_foreign(text, self.language),
            "echo": self._repeats(text),
            "loop": goes_in_circles(_plain(text)),
        }
        for fault, found in faults.items():
            if found:
                self.profile.dropped[fault] += 1
                return None
        return text

    def summary(self, said: Any, most: int | None) -> str | None:
        """Return a summary, unless it was cut off or is too short to be one."""
        if most is not None and breaks_off(str(said or ""), most):
            self.profile.dropped["cut_off"] += 1
            return None
        text = self.passed(said)
        words, characters = set(_in_words(text or "").split()), set(_CJK.findall(text or ""))
        if text and len(words) < SHORTEST_SUMMARY and len(characters) < 2 * SHORTEST_SUMMARY:
            self.profile.dropped["short"] += 1
            return None
        return text

    def keywords(self, said: Sequence[str]) -> list[str]:
        """Return those that are no echo."""
        kept = [word for word in said if not self._repeats(word)]
        self.profile.dropped["echo"] += len(said) - len(kept)
        return kept

    def _repeats(self, said: str) -> bool:
        words = _in_words(said).split()
        length = min(ECHO, max(SHORTEST_SUMMARY, len(words)))
        runs = (f" {' '.join(words[at : at + length])} " for at in range(len(words) - length + 1))
        return any(run in self.told and run not in self.read for run in runs)


def _in_words(text: str) -> str:
    return f" {' '.join(_WORD.findall(_plain(text)))} "


def assemble(
    parts: Sequence[tuple[Mapping[str, Any], str]],
    whole: Mapping[str, Any] | None,
    wanted: Profiles,
    language: str,
    *,
    title: str = "",
    told: str = "",
    most: int | None = None,
) -> Profile:
    """Put answers together, and leave out what the text does not bear out.

    Args:
        parts: answers, each with the text that it is about; at least one.
        whole: the answer about the parts' summaries, where there are several parts.
        wanted: as declared.
        language: of the text, as told from it; und where nothing can be told.
        title: what the document calls itself, as far as that is known: where it stands in the text, no model is heard.
        told: what the model was told, which is no part of any document.
        most: characters that a summary may have; None where none was said.
    """
    answers = [answer for answer, _ in parts]
    head = whole or answers[0]
    profile = Profile()
    content = profile.content
    grounds = [Grounds.of(text) for _, text in parts]
    vetting = _Vetting.of(told, (text for _, text in parts), language, profile)
    own = _BLANKS.sub(" ", title).strip()
    known = len(own) <= TITLE_CHARACTERS and any(text.hold(own) for text in grounds)
    content["title"] = own if known else vetting.passed(head.get("title"))
    if wanted.summary:
        content["summary"] = vetting.summary(head.get("summary"), most)
    if wanted.keywords:
        content["keywords"] = vetting.keywords(_most_named(answer.get("keywords") or [] for answer in answers))
    if wanted.entities:
        content["entities"] = _entities(answers, grounds, profile)
    content["kind"] = head.get("kind") or _most_named([[answer["kind"] for answer in answers]])[0]
    content["language"] = language if language != "und" else _language(answers)
    _take_fields(answers, grounds, wanted, profile)
    profile.dropped += Counter()  # Without what was not dropped.
    return profile


def _is_foreign(text: str, language: str) -> bool:
    """Say whether a text is plainly not in a language."""
    letters = len(_LETTER.findall(text))
    japanese = len(_CJK.findall(text))
    return (language == "ja" and letters > 8 and japanese * 5 < letters) or (
        language in {"en", "de", "fr", "es", "it", "pt", "nl"} and japanese * 2 > letters
    )


def _most_named(lists: Iterable[Iterable[str]]) -> list[str]:
    """Return words, those first that most answers name, each in the form in which it came first."""
    counts: Counter[str] = Counter()
    forms: dict[str, str] = {}
    for words in lists:
        for word in dict.fromkeys(_BLANKS.sub(" ", word).strip() for word in words):
            if word:
                forms.setdefault(_plain(word), word)
                counts[_plain(word)] += 1
    return [forms[key] for key, _ in counts.most_common(24)]


def _entities(
    answers: Sequence[Mapping[str, Any]], grounds: Sequence[Grounds], profile: Profile
) -> list[dict[str, str]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for answer, text in zip(answers, grounds, strict=True):
        named = {(_plain(entity["name"]), entity["type"]): entity for entity in answer.get("entities") or []}
        for key, entity in named.items():
            profile.entities += 1
            if text.hold(entity["name"]):
                found.setdefault(key, {"name": _BLANKS.sub(" ", entity["name"]).strip(), "type": entity["type"]})
            else:
                profile.entities_dropped += 1
    return list(found.values())


def _language(answers: Sequence[Mapping[str, Any]]) -> str:
    said = [str(answer.get("language") or "").lower()[:2] for answer in answers]
    named = Counter(code for code in said if re.fullmatch("[a-z]{2}", code))
    return named.most_common(1)[0][0] if named else "und"


def _take_fields(
    answers: Sequence[Mapping[str, Any]], grounds: Sequence[Grounds], wanted: Profiles, profile: Profile
) -> None:
    """Take each declared field from the first part whose quote occurs there."""
    quotes: dict[str, str] = {}
    for name, schema in wanted.fields.items():
        profile.content[name] = None
        for answer, text in zip(answers, grounds, strict=True):
            found = answer.get(name)
            if found is None:
                continue
            quote = _BLANKS.sub(" ", found["quote"]).strip()
            if len(quote) < SHORTEST_QUOTE or not text.hold(quote):
                profile.dropped["quotes"] += 1
            elif schema.get("format") == "date" and not _is_date(found["value"]):
                profile.dropped["dates"] += 1
            elif profile.content[name] is None:
                profile.content[name], quotes[name] = found["value"], quote
    if wanted.fields:
        profile.content["quotes"] = quotes


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
