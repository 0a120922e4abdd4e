"""Characters that Word does not write as characters: symbols of its fonts, equations, fields that draw."""

from __future__ import annotations

import re
from typing import Any

from assets.elements.readers.office.package import attribute, child, kind_of

_GREEK = dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True)) | dict(
    zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True)
)
_SYMBOL = _GREEK | {
    0xA3: "≤", 0xA5: "∞", 0xAC: "←", 0xAD: "↑", 0xAE: "→", 0xAF: "↓", 0xB0: "°", 0xB1: "±", 0xB3: "≥", 0xB4: "×",
    0xB7: "•", 0xB8: "÷", 0xB9: "≠", 0xBB: "≈", 0xBC: "…", 0xD6: "√", 0xDE: "⇒", 0xE5: "∑", 0xF2: "∫",
}  # fmt: skip
_WINGDINGS = {
    0x6C: "●", 0x6E: "■", 0x6F: "□", 0x75: "◆", 0xA8: "□", 0xA7: "▪", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑",
    0xE2: "↓", 0xE8: "➔", 0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_BULLET = "•"

_OVERPRINT = re.compile(
    r"^\s*EQ\b.*?\\o\s*\\(?P<how>ad|ac)\s*\(\s*(?:\\s\\(?:up|do)\s*-?\d*)?\s*\(?(?P<over>[^(),;]*)\)?\s*[,;]\s*"
    r"(?:\\s\\(?:up|do)\s*-?\d*)?\s*\(?(?P<base>[^()]*)\)",
    re.IGNORECASE,
)
"""How older versions of Word write furigana and circled characters: one thing printed over the other."""

_FENCES = (("begChr", "("), ("endChr", ")"))


def symbol(element: Any) -> str:
    """Return the character that a `w:sym` shows."""
    try:
        code = int(attribute(element, "char") or "", 16)
    except ValueError:
        return ""
    font = (attribute(element, "font") or "").casefold()
    in_font = code - 0xF000 if 0xF000 <= code <= 0xF0FF else code
    if font == "symbol":
        return _SYMBOL.get(in_font, _BULLET)
    if font.startswith(("wingdings", "webdings")):
        return _WINGDINGS.get(in_font, _BULLET) if font == "wingdings" else _BULLET
    if 0xE000 <= code <= 0xF8FF or not 0x20 <= code <= 0xFFFD or 0xD800 <= code <= 0xDFFF:
        return _BULLET
    return chr(code)


def overprinted(instruction: str) -> tuple[str, str | None] | None:
    """Return what a field that prints one thing over another shows, and how it is read if that is furigana."""
    found = _OVERPRINT.match(instruction)
    if found is None or not found["base"].strip():
        return None
    base, over = found["base"].strip(), found["over"].strip()
    return (base, over or None) if found["how"].lower() == "ad" else (base, None)


def equation(element: Any) -> str:
    """Write an equation on one line: fractions with a stroke, powers and indices with ^ and _."""
    kind = kind_of(element)
    if kind == "t":
        return element.text or ""
    if kind.endswith("Pr"):
        return ""
    write = _EQUATIONS.get(kind)
    return write(element) if write else "".join(map(equation, element))


def _part(element: Any, name: str) -> str:
    found = child(element, name)
    return "" if found is None else equation(found)


def _grouped(text: str) -> str:
    return text if len(text) < 2 or text.isalnum() else f"({text})"


def _fraction(element: Any) -> str:
    return f"{_grouped(_part(element, 'num'))}/{_grouped(_part(element, 'den'))}"


def _scripts(element: Any) -> str:
    """Write what stands below and above, of a letter or of a large operator."""
    operator = "" if child(element, "naryPr") is None else _setting(element, "naryPr", "chr", "∫")
    below, above = _part(element, "sub"), _part(element, "sup")
    body = _part(element, "e")
    scripts = (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
    return f"{operator}{scripts} {body}" if operator else f"{body}{scripts}"


def _root(element: Any) -> str:
    return f"{_part(element, 'deg')}√{_grouped(_part(element, 'e'))}"


def _fenced(element: Any) -> str:
    left, right = (_setting(element, "dPr", name, default) for name, default in _FENCES)
    between = _setting(element, "dPr", "sepChr", "|")
    return left + between.join(equation(part) for part in element if kind_of(part) == "e") + right


def _setting(element: Any, properties: str, name: str, default: str) -> str:
    holder = child(element, properties)
    found = None if holder is None else child(holder, name)
    return default if found is None else attribute(found, "val") or ""


_EQUATIONS = {
    "f": _fraction, "sSup": _scripts, "sSub": _scripts, "sSubSup": _scripts, "nary": _scripts, "rad": _root,
    "d": _fenced,
}  # fmt: skip
