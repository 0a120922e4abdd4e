"""Which encoding a text's bytes are in, with the Japanese ones in mind.

A declaration is believed only where the bytes bear it out; UTF-8 that holds is UTF-8, whatever is declared.
"""

from __future__ import annotations

import codecs
import re

from assets.documents.detection import wide_encoding
from assets.elements.document import Unparseable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks, the longer ones first: that of UTF-16 begins that of UTF-32."""

_ALIASES = {
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "ms_kanji": "cp932",
    "windows-31j": "cp932", "ms932": "cp932", "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252",
    "us-ascii": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949", "x-euc-jp": "euc-jp", "iso-8859-9": "cp1254",
}  # fmt: skip
"""What people declare, and the superset that they write."""

_SHIFTS = re.compile(rb"\x1b(?:\$[@B]|\([BJI]|\$\(D)")
_JAPANESE = re.compile("[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]+")
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
_HALF_WIDTH_RUN = re.compile("[\uff61-\uff9f]{2,}")
_VOICE = re.compile("[\uff9e\uff9f]")
_VOICED = re.compile("[\uff73\uff76-\uff84\uff8a-\uff8e]\uff9e|[\uff8a-\uff8e]\uff9f")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_OTHER = re.compile("[^\x00-\x7f]")
_ACCENTED = re.compile("[\u00c0-\u00ff]+")
_TYPOGRAPHY = re.compile("[\u2010-\u2026\u20ac\u2122«»¿¡°§©®·£]")

WITHOUT_KANA = 0.75
"""Taken off a text without kana: Korean and Chinese bytes come out as kanji alone, and so do lists of names."""

ENOUGH = 0.6
"""Score from which a text is Japanese."""

LONG = 100
"""Half-width kana from which some are voiced in any text."""

LEAST_VOICED = 0.02
"""Share of marks of voice among half-width kana; names and addresses have about 0.1."""

SHORT = 8
"""Characters from which EUC-JP has kana: Korean in its own EUC is well-formed EUC-JP without any."""

MOST_DAMAGE = 0.02
"""Share of broken sequences up to which a text is UTF-8 that was damaged, and not another encoding."""


def decode(content: bytes, declared: str | None = None) -> str:
    """Decode text.

    Args:
        content: its bytes.
        declared: the encoding that the document or its container names.

    Raises:
        Unparseable: no encoding fits.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    if 0 in content[:4096] or _utf8(content) is None:
        wide = wide_encoding(content)
        if wide:
            return content.decode(wide, "replace")
    for attempt in (_shifted, _utf8, lambda content: _as_declared(content, declared), _japanese, _western):
        found = attempt(content)
        if found is not None:
            return found
    return _damaged_utf8(content) or _best_guess(content)


def _shifted(content: bytes) -> str | None:
    """Decode ISO-2022-JP, which is made of ASCII bytes and would pass as UTF-8; NEC's row 13 and kana included."""
    if not _SHIFTS.search(content) or not content.isascii():
        return None
    pieces: list[str] = []
    set_, at = b"\x1b(B", 0
    for shift in [*_SHIFTS.finditer(content), None]:
        pieces.append(_of_set(set_, content[at : shift.start() if shift else len(content)]))
        if shift:
            set_, at = shift.group(), shift.end()
    return "".join(pieces)


def _of_set(set_: bytes, piece: bytes) -> str:
    if set_ in {b"\x1b(B", b"\x1b(J"}:
        return piece.decode("ascii", "replace")
    high = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in piece)
    if set_ == b"\x1b(I":
        return high.decode("cp932", "replace")
    if set_ == b"\x1b$(D":
        return b"".join(b"\x8f" + high[i : i + 2] for i in range(0, len(high), 2)).decode("euc_jp", "replace")
    return _euc(high) or high.decode("euc_jis_2004", "replace")


def _euc(content: bytes) -> str | None:
    """Decode EUC-JP; where that fails, with the circled numbers and abbreviations of NEC's row 13."""
    return _strictly(content, "euc_jp") or _strictly(content, "euc_jis_2004")


def _strictly(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None


def _utf8(content: bytes) -> str | None:
    return _strictly(content, "utf-8")


def _as_declared(content: bytes, declared: str | None) -> str | None:
    """Believe a declaration that decodes strictly, unless it is Western and the bytes are Japanese."""
    name = (declared or "").strip().strip("\"'").lower()
    encoding = _ALIASES.get(name, name)
    if not encoding or encoding.startswith(("utf", "unicode")):
        return None
    found = _euc(content) if encoding in {"euc-jp", "euc_jp"} else _strictly(content, encoding)
    if found is not None and encoding.startswith(("cp125", "iso-8859")):
        return _japanese(content) or found
    return found


def _japanese(content: bytes) -> str | None:
    """Decode cp932 or EUC-JP if what comes out reads as Japanese; the better of the two."""
    scored = [(_japaneseness(found), found) for found in (_strictly(content, "cp932"),) if found is not None]
    euc = _euc(content)
    if euc is not None and (_KANA.search(euc) or len(_OTHER.findall(euc[:100])) < SHORT):
        scored.append((_japaneseness(euc), euc))
    score, best = max(scored, default=(0.0, None))
    if score > ENOUGH:
        return best
    return None if euc is not None and _japaneseness(euc) > ENOUGH else _half_width(content)


def _half_width(content: bytes) -> str | None:
    """Decode cp932 that is mostly half-width kana, as banks exchange it, where its marks of voice are in place.

    A single byte of many an alphabet is such a kana, so that Russian, Thai and Korean words look like it; but in
    them a mark of voice stands after any letter, and in a long text there are too few.
    """
    found = _strictly(content, "cp932")
    if found is None:
        return None
    sample = found[:20_000]
    words = "".join(_HALF_WIDTH_RUN.findall(sample))
    placed, all_marks = len(_VOICED.findall(words)), len(_VOICE.findall(words))
    if placed < all_marks or (len(words) >= LONG and placed < len(words) * LEAST_VOICED):
        return None
    return found if _japaneseness(found) + 0.5 * len(words) / max(1, len(_OTHER.findall(sample))) > ENOUGH else None


def _japaneseness(text: str) -> float:
    """Score how much of what is not ASCII reads as Japanese, 0 to 1.

    A wrong guess shows in three ways: half-width kana, which are what EUC-JP looks like in cp932; characters that
    neither alphabet has; and single kanji between Latin letters, which are what accents look like.
    """
    sample = text[:20_000]
    others = len(_OTHER.findall(sample))
    if not others:
        return 0.0
    runs = [found.group() for found in _JAPANESE.finditer(sample)]
    in_runs = sum(len(run) for run in runs if len(run) > 1 or run < "\u4e00")  # Accents look like single kanji.
    rare = sum(1 for run in runs for character in run if _is_rare(character))
    half = len(_HALF_WIDTH.findall(sample))
    score = (in_runs - rare + 0.5 * half) / others
    return score if half or _KANA.search(sample) else score * WITHOUT_KANA


def _is_rare(character: str) -> bool:
    """Say whether a kanji is outside JIS level 1, the 2,965 common ones."""
    if not "\u4e00" <= character <= "\u9fff":
        return False
    try:
        return character.encode("shift_jis")[0] >= 0x99
    except UnicodeEncodeError:
        return True


def _western(content: bytes) -> str | None:
    found = _strictly(content, "cp1252")
    if found is None:
        return None
    sample = found[:20_000]
    # Accents stand alone or in pairs; Greek and Cyrillic bytes come out as whole words of them.
    plausible = sum(len(run) for run in _ACCENTED.findall(sample) if len(run) <= 2) + len(_TYPOGRAPHY.findall(sample))
    return found if plausible >= len(_OTHER.findall(sample)) * 0.8 else None


def _damaged_utf8(content: bytes) -> str | None:
    found = content.decode("utf-8", "replace")
    broken = found.count("\ufffd")
    sound = len(_OTHER.findall(found)) - broken
    few = broken <= max(3, len(found) * MOST_DAMAGE) and (sound > 0 or len(found) >= 40 * broken)
    return found if few or sound >= 10 * max(1, broken) else None


def _best_guess(content: bytes) -> str:
    from charset_normalizer import from_bytes

    for japanese in (_strictly(content, "cp932"), _euc(content)):  # A few characters, too few to be sure of.
        if japanese is not None and _KANA.search(japanese) and not _HALF_WIDTH.search(japanese):
            return japanese
    best = from_bytes(content, cp_exclusion=["utf_7", "utf_16", "utf_32"]).best()
    if best is None:
        raise Unparseable("unknown_encoding")
    return str(best)
