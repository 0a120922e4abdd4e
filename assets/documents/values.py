"""From what a person wrote to a value of the declared type, in English and Japanese forms. Pure.

Values come from file names, front matter, spreadsheets and the documents' own properties, where everything may be
text, full width or half. What does not have the declared type becomes a `NotOfType`, never a guess.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any, Literal

FieldType = Literal["string", "strings", "integer", "number", "boolean", "date", "datetime"]

MOST_CHARACTERS = 10_000
MOST_ITEMS = 1_000
"""Of one value. Metadata stands in every row that readers see; what is longer is text, not metadata."""

MOST_INTEGER = 2**63 - 1
"""What a bigint takes, so that a cast in SQL never fails."""


class NotOfType(ValueError):  # It names a value's state; a document is not failed by it.
    """A value that does not have its declared type; says what it is not, and never the value itself."""


def convert(value: Any, kind: FieldType) -> Any:
    """Return a value as the declared type, as JSON holds it.

    Args:
        value: any JSON value, as found.
        kind: the declared type.

    Raises:
        NotOfType: it is not of that type.
    """
    if kind != "strings" and isinstance(value, list) and len(value) == 1:
        value = value[0]
    return _CONVERTERS[kind](value)


def is_absent(value: Any) -> bool:
    """Say whether nothing was written: null, blank text, an empty list."""
    return value is None or (isinstance(value, str) and not value.strip()) or value == []


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        try:
            return str(value)
        except ValueError:  # Of an integer with thousands of digits.
            raise NotOfType("not text") from None
    if not isinstance(value, str):
        raise NotOfType("not text")
    if len(value) > MOST_CHARACTERS:
        raise NotOfType("too long")
    # Composed, so that a folder's name as macOS writes it equals the same word typed in a query.
    return unicodedata.normalize("NFC", value.strip())


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        _text(value)
        value = re.split(r"[,;、，；\n]", value)
    elif not isinstance(value, list):
        value = [value]
    if len(value) > MOST_ITEMS:
        raise NotOfType("too long")
    try:
        return list(dict.fromkeys(text for item in value if item is not None and (text := _text(item))))
    except NotOfType:
        raise NotOfType("not a list of texts") from None


def _folded(value: Any, complaint: str) -> str:
    """Return short text in half width, blanks inside removed: `２０２４ 年` as `2024年`."""
    if not isinstance(value, str) or len(value) > 100:
        raise NotOfType(complaint)
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", value)).strip()


_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(?=\.|$)")


def _integer(value: Any) -> int:
    complaint = "not an integer"
    if isinstance(value, str):
        text = _folded(value, complaint)
        text = text.replace(",", "") if _THOUSANDS.match(text) else text
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", text):
            raise NotOfType(complaint)
        value = int(text)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -MOST_INTEGER <= value <= MOST_INTEGER:
        raise NotOfType(complaint)
    return value


def _number(value: Any) -> int | float:
    complaint = "not a number"
    if isinstance(value, str):
        text = _folded(value, complaint)
        text = text.replace(",", "") if _THOUSANDS.match(text) else text
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text):
            raise NotOfType(complaint)
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(_as_float(value)):
        raise NotOfType(complaint)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


_TRUTHS = {"true": True, "yes": True, "1": True, "はい": True, "false": False, "no": False, "0": False, "いいえ": False}


def _boolean(value: Any) -> bool:
    complaint = "neither true nor false"
    if isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    truth = _TRUTHS.get(_folded(value, complaint).casefold())
    if truth is None:
        raise NotOfType(complaint)
    return truth


_ERAS = {
    "令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "明治": 1867,
    "R": 2018, "H": 1988, "S": 1925, "T": 1911, "M": 1867,
}  # fmt: skip
"""The year before the first of each era."""

_DATE = re.compile(
    r"(?:(?P<era>令和|平成|昭和|大正|明治|[RHSTM](?=[0-9])) ?(?P<of_era>元|[0-9]{1,2})|(?P<year>[0-9]{4})) ?"
    r"(?:年 ?(?P<m1>[0-9]{1,2}) ?月 ?(?P<d1>[0-9]{1,2}) ?日|"
    r"(?P<mark>[-/.])(?P<m2>[0-9]{1,2})(?P=mark)(?P<d2>[0-9]{1,2}))"
    r"(?: ?\([日月火水木金土]\))?"
)
_TIME = re.compile(
    r"(?P<h1>[0-9]{1,2}):(?P<m1>[0-9]{1,2})(?::(?P<s1>[0-9]{1,2}))?|"
    r"(?P<h2>[0-9]{1,2})時 ?(?P<m2>[0-9]{1,2})分(?: ?(?P<s2>[0-9]{1,2})秒)?"
)


def _iso(text: str) -> datetime | None:
    if not re.match(r"[0-9]{4}", text) or re.fullmatch(r"[0-9]{1,7}", text):
        return None
    try:
        return datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None


def _moment(value: Any, complaint: str) -> datetime:
    """Read a date with or without a time; without one it is midnight."""
    if isinstance(value, int) and not isinstance(value, bool) and 10_000_101 <= value <= 99_991_231:
        value = str(value)  # 20240301, which YAML and JSON take for a number.
    text = _folded(value, complaint)
    found = _iso(text)
    if found is not None:
        return found
    match = _DATE.match(text)
    if match is None:
        raise NotOfType(complaint)
    try:
        return datetime.combine(_day(match), _clock(text[match.end() :].strip(), complaint))
    except ValueError:
        raise NotOfType(complaint) from None


def _day(match: re.Match[str]) -> date:
    if match["era"]:
        year = _ERAS[match["era"]] + (1 if match["of_era"] == "元" else int(match["of_era"]))
        if match["of_era"] in {"0", "00"}:
            raise ValueError
    else:
        year = int(match["year"])
    return date(year, int(match["m1"] or match["m2"]), int(match["d1"] or match["d2"]))


def _clock(text: str, complaint: str) -> time:
    if not text:
        return time()
    match = _TIME.fullmatch(text)
    if match is None:
        raise NotOfType(complaint)
    hour, minute, second = (int(match[name + "1"] or match[name + "2"] or 0) for name in "hms")
    return time(hour, minute, second)


def _date(value: Any) -> str:
    return _moment(value, "not a date").date().isoformat()


def _datetime(value: Any) -> str:
    moment = _moment(value, "not a date and time")
    if moment.tzinfo is not None:  # One instant is written one way, so that equal times compare as equal.
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise NotOfType("not a date and time") from None
    return moment.isoformat()


_CONVERTERS: dict[FieldType, Callable[[Any], Any]] = {
    "string": _text,
    "strings": _strings,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}
