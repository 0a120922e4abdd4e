"""What of an answer the text bears out, and how the answers about its parts become one profile. Pure.

A model names people who are in no document, and a document may tell it to. So what has to occur in the text is looked
for there: what does not is dropped and counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from assets.profiles.settings import Profiles

SHORTEST_QUOTE = 2
_BLANKS = re.compile(r"\s+")
_CJK = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]")
_LETTER = re.compile(r"[^\W\d_]")


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


def assemble(
    parts: Sequence[tuple[Mapping[str, Any], str]], whole: Mapping[str, Any] | None, wanted: Profiles, language: str
) -> Profile:
    """Put answers together, and leave out what the text does not bear out.

    Args:
        parts: answers, each with the text that it is about; at least one.
        whole: the answer about the parts' summaries, where there are several parts.
        wanted: as declared.
        language: of the text, as told from it; und where nothing can be told.
    """
    answers = [answer for answer, _ in parts]
    head = whole or answers[0]
    profile = Profile()
    content = profile.content
    grounds = [Grounds.of(text) for _, text in parts]
    for name in ("title", "summary"):
        if name == "title" or wanted.summary:
            content[name] = _in_language(str(head.get(name) or ""), language, profile)
    if wanted.keywords:
        content["keywords"] = _most_named(answer.get("keywords") or [] for answer in answers)
    if wanted.entities:
        content["entities"] = _entities(answers, grounds, profile)
    content["kind"] = head.get("kind") or _most_named([[answer["kind"] for answer in answers]])[0]
    content["language"] = language if language != "und" else _language(answers)
    _take_fields(answers, grounds, wanted, profile)
    return profile


def _in_language(text: str, language: str, profile: Profile) -> str | None:
    """Return a text if it is plausibly in a language."""
    text = _BLANKS.sub(" ", text).strip()
    letters = len(_LETTER.findall(text))
    japanese = len(_CJK.findall(text))
    wrong = (language == "ja" and letters > 8 and japanese * 5 < letters) or (
        language in {"en", "de", "fr", "es", "it", "pt", "nl"} and japanese * 2 > letters
    )
    if wrong:
        profile.dropped["language"] += 1
        return None
    return text or None


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
