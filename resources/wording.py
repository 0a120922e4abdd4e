"""How what went wrong in somebody's input is said: clauses that name the place and what to do there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WANTED = {
    "model_type": "a mapping of keys and values, {} for none",
    "dict_type": "a mapping of keys and values, {} for none",
    "model_attributes_type": "a mapping of keys and values, {} for none",
    "list_type": "a list",
    "tuple_type": "a list",
}


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    Args:
        count: how many.
        noun: in the singular; its plural ends with s.
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def problem_clause(problem: Mapping[str, Any], location: Sequence[str]) -> str:
    """Say what pydantic found wrong, without what was given there: it may be a secret.

    Args:
        problem: an entry of `ValidationError.errors()`.
        location: where, as a person would name it.

    Returns:
        A clause that ends with a full stop or question mark.
    """
    where = ".".join(location) or "the whole"
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "missing":
        return f"{where} is missing; add it."
    if kind in _WANTED:
        return f"{where} must be {_WANTED[kind]}."
    if kind in {"too_short", "too_long"}:
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"{where} has {context['actual_length']} entries and needs {bound}."
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]}{'' if message.endswith(('?', '.')) else '.'}"


def unreadable(path: Path, error: Exception) -> str:
    """Say why a text file cannot be read, and what to do.

    Args:
        path: of the file.
        error: an OSError or UnicodeDecodeError that reading it raised.
    """
    if isinstance(error, UnicodeDecodeError):
        return f"{path} is not UTF-8; save it as UTF-8 text."
    if isinstance(error, FileNotFoundError):
        return f"There is no {path}; create it or correct the name."
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder; name a file."
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this user; change its permissions."
    return f"{path} cannot be read ({type(error).__name__}); check the disk it is on."
