r"""File names as text: on Linux a name is bytes, in Postgres a uri is UTF-8 and the key of an index.

Bytes that are no UTF-8 are written \xNN. No two names are written alike, and each can be told from how it is written.
"""

from __future__ import annotations

import os
import re

LONGEST_URI = 2_000
"""Bytes. A key of a Postgres index takes 2,704; the rest is for the name of a file that is attached to a mail."""

_BYTE = r"x(?:5c|[89a-f][0-9a-f])"
_READS_LIKE_A_BYTE = re.compile(_BYTE)
_WRITTEN_BYTE = re.compile(rf"\\x(?={_BYTE[1:]})")


def written(name: str) -> str:
    r"""Write a file name as UTF-8; a backslash before what reads like a written byte becomes \x5c.

    Args:
        name: as the file system gives it, with surrogates for odd bytes.
    """
    if "\\" not in name and name.isprintable():  # A surrogate is not printable: most names need no more than this.
        return name
    first, *others = (piece.decode("utf-8", "backslashreplace") for piece in os.fsencode(name).split(b"\\"))
    return first + "".join(("\\x5c" if _READS_LIKE_A_BYTE.match(other) else "\\") + other for other in others)


def unwritten(text: str) -> str:
    """Return the file name that is written so."""
    if "\\x" not in text:
        return text
    first, *others = _WRITTEN_BYTE.split(text)
    raw = first.encode() + b"".join(bytes.fromhex(other[:2]) + other[2:].encode() for other in others)
    return os.fsdecode(raw)


def is_storable(uri: str) -> bool:
    """Say whether Postgres can hold a uri as text, and as the key of an index."""
    try:
        return len(uri.encode()) <= LONGEST_URI and "\0" not in uri
    except UnicodeEncodeError:
        return False
