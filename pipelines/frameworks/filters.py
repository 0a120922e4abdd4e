"""The frameworks' filters in the grammar of docs/sql.md. Pure: no framework is imported, values stay values.

Both kinds arrive as plain dictionaries: Haystack's are, LlamaIndex's are dumped by its retriever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from resources.errors import ConfigurationError

Filter = dict[str, Any]
DEEPEST = 20

_PLAIN = {"==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "in": "in"}


def of_haystack(given: Any, depth: int = 0) -> Filter:
    """Return Haystack's filter dictionary in our grammar.

    Args:
        given: a comparison (`field`, `operator`, `value`) or a logic (`operator`, `conditions`). `meta.` before a
            field is Haystack's name of the metadata, and taken away.
        depth: how deep it stands.

    Raises:
        ConfigurationError: it is none, or an operator is not known.
    """
    if not isinstance(given, Mapping):
        raise ConfigurationError("A filter is no dictionary; write {'field': ..., 'operator': ..., 'value': ...}.")
    operator = given.get("operator")
    if "field" in given:
        if set(given) != {"field", "operator", "value"}:
            raise ConfigurationError("A condition has the keys field, operator and value.")
        field = str(given["field"]).removeprefix("meta.")
        if operator == "not in":
            return {"not": {field: {"in": _list(given["value"], operator)}}}
        return {field: {_known(operator, _PLAIN): given["value"]}}
    inner = _conditions(given.get("conditions"), of_haystack, depth)
    return _joined(operator, inner)


def of_llamaindex(given: Any, depth: int = 0) -> Filter:
    """Return LlamaIndex's `MetadataFilters`, dumped, in our grammar.

    Args:
        given: `filters` and `condition`, or one filter with `key`, `operator` and `value`.
        depth: how deep it stands.

    Raises:
        ConfigurationError: it is none, or an operator is not known.
    """
    if not isinstance(given, Mapping):
        raise ConfigurationError("A filter is no MetadataFilters.")
    if "filters" in given:
        if not given["filters"]:
            return {}
        condition = str(given.get("condition") or "and").upper()
        return _joined(condition, _conditions(given["filters"], of_llamaindex, depth))
    key, value, operator = str(given.get("key")), given.get("value"), str(given.get("operator"))
    if operator == "nin":
        return {"not": {key: {"in": _list(value, operator)}}}
    if operator == "all":
        return {"and": [{key: {"eq": one}} for one in _list(value, operator)]}
    if operator == "is_empty":
        return {key: {"exists": False}}
    if operator == "any":
        return {key: {"in": _list(value, operator)}}
    if operator == "contains":  # A field that holds a list is compared with each of its values.
        return {key: {"eq": value}}
    return {key: {_known(operator, _PLAIN): value}}


def _joined(operator: Any, inner: list[Filter]) -> Filter:
    if operator in {"AND", "OR"}:
        return {str(operator).lower(): inner}
    if operator == "NOT":
        return {"not": {"and": inner}}
    raise ConfigurationError(f"The logical operator {operator!r} is not known; use AND, OR or NOT.")


def _conditions(given: Any, translate: Callable[[Any, int], Filter], depth: int) -> list[Filter]:
    if depth >= DEEPEST:
        raise ConfigurationError(f"The filter is nested more than {DEEPEST} levels deep.")
    if not isinstance(given, list | tuple) or not given:
        raise ConfigurationError("A logical operator wants a list of conditions, and at least one.")
    return [translate(one, depth + 1) for one in given]


def _list(value: Any, operator: Any) -> list[Any]:
    if not isinstance(value, list | tuple | set) or not value:
        raise ConfigurationError(f"The operator {operator!r} wants a list of values, and at least one.")
    return list(value)


def _known(operator: Any, known: Mapping[str, str]) -> str:
    if operator not in known:
        raise ConfigurationError(
            f"The filter operator {operator!r} is not one that the table knows; use {', '.join(known)}, or a question."
        )
    return known[operator]
