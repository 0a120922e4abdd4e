"""Numbers of lists and headings as Word and OpenDocument write them, the Japanese ways among them."""

from __future__ import annotations

_DIGITS = "〇一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_KATAKANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
_IROHA = "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン"
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
          (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_SEQUENCES = {
    "ア": _KATAKANA, "イ": _IROHA, "甲": "甲乙丙丁戊己庚辛壬癸", "子": "子丑寅卯辰巳午未申酉戌亥",
    "①": "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳", "⑴": "⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽⑾⑿⒀⒁⒂⒃⒄⒅⒆⒇", "㊀": "㊀㊁㊂㊃㊄㊅㊆㊇㊈㊉",
}  # fmt: skip
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_LARGEST = 32767

WORD_FORMATS = {
    "japaneseCounting": "一", "chineseCounting": "一", "chineseCountingThousand": "一", "taiwaneseCounting": "一",
    "taiwaneseCountingThousand": "一", "japaneseDigitalTenThousand": "〇", "ideographDigital": "〇",
    "taiwaneseDigital": "〇", "decimalFullWidth": "１", "decimalFullWidth2": "１", "decimalHalfWidth": "1",
    "decimalEnclosedParen": "⑴", "ideographEnclosedCircle": "㊀", "ideographTraditional": "甲",
    "ideographZodiac": "子", "aiueo": "ア", "aiueoFullWidth": "ア", "iroha": "イ", "irohaFullWidth": "イ",
}  # fmt: skip
"""Formats of Word that unstructured leaves out, by the figure that stands for one."""


def written(number: int, one: str) -> str:
    """Write a number.

    Args:
        number: from 1.
        one: how its kind of figure writes one, as `1`, `a`, `I`, `一`, `ア`; `〇` is positional `一〇` for ten.
    """
    if not 0 < number <= _LARGEST:
        return str(number)
    if one in {"a", "A"}:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if one == "a" else letters.upper()
    if one in {"i", "I"}:
        return _roman(number) if one == "i" else _roman(number).upper()
    if one == "一":
        return _counted(number)
    if one == "〇":
        return "".join(_DIGITS[int(digit)] for digit in str(number))
    if one == "１":
        return str(number).translate(_FULL_WIDTH)
    sequence = _SEQUENCES.get(one, "")
    return sequence[number - 1] if number <= len(sequence) else str(number)


def _roman(number: int) -> str:
    pieces = []
    for value, numeral in _ROMAN:
        count, number = divmod(number, value)
        pieces.append(numeral * count)
    return "".join(pieces)


def _counted(number: int) -> str:
    """Write a number below 100,000 as one says it: 二十一, 三百五."""
    high, low = divmod(number, 10_000)
    pieces = [_counted(high) + "万"] if high else []
    digits = str(low)
    for place, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True):
        if digit != "0":
            figure = "" if digit == "1" and place else _DIGITS[int(digit)]
            pieces.append(figure + _UNITS[place])
    return "".join(pieces)
