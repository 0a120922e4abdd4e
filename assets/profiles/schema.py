"""The JSON Schemas that an LLM's answers have to fit, and the types of what is in a profile. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assets.profiles.settings import Profiles

TITLE_CHARACTERS = 200
NAME_CHARACTERS = 120
QUOTE_CHARACTERS = 300


@dataclass(frozen=True)
class Sizes:
    """How much a model may say, by the length of its answers.

    Attributes:
        summary: characters.
        keywords: how many.
        entities: how many.
    """

    summary: int
    keywords: int
    entities: int

    @classmethod
    def of(cls, output_tokens: int) -> Sizes:
        """Divide the tokens of an answer up."""
        return cls(min(1200, output_tokens), min(12, max(3, output_tokens // 80)), min(24, max(3, output_tokens // 64)))


def part_schema(wanted: Profiles, sizes: Sizes) -> dict[str, Any]:
    """Return what is asked of a part of a document, or of a whole one.

    Args:
        wanted: as declared.
        sizes: how much may be said.
    """
    properties: dict[str, Any] = {"title": {"type": "string", "maxLength": TITLE_CHARACTERS}}
    if wanted.summary:
        properties["summary"] = {"type": "string", "maxLength": sizes.summary}
    if wanted.keywords:
        word = {"type": "string", "maxLength": 60}
        properties["keywords"] = {"type": "array", "items": word, "maxItems": sizes.keywords}
    if wanted.entities:
        entity = _closed(
            {
                "name": {"type": "string", "maxLength": NAME_CHARACTERS},
                "type": {"type": "string", "enum": list(wanted.entity_types)},
            }
        )
        properties["entities"] = {"type": "array", "items": entity, "maxItems": sizes.entities}
    properties["kind"] = {"type": "string", "enum": list(wanted.kinds)}
    properties["language"] = {"type": "string", "maxLength": 8}
    for name, schema in wanted.fields.items():
        found = _closed({"value": schema, "quote": {"type": "string", "maxLength": QUOTE_CHARACTERS}})
        properties[name] = {"anyOf": [found, {"type": "null"}]}
    return _closed(properties)


def whole_schema(wanted: Profiles, sizes: Sizes) -> dict[str, Any]:
    """Return what is asked of the summaries of a document's parts.

    Args:
        wanted: as declared.
        sizes: how much may be said.
    """
    kept = {"title", "summary", "kind"}
    return _closed({name: part for name, part in part_schema(wanted, sizes)["properties"].items() if name in kept})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def filter_types(wanted: Profiles) -> dict[str, str]:
    """Return the types of what a filter may name, as `profile.<name>`.

    Args:
        wanted: as declared.
    """
    types = {"title": "string", "kind": "string", "language": "string"}
    types |= {"summary": "string"} if wanted.summary else {}
    types |= {"keywords": "strings"} if wanted.keywords else {}
    types |= {name: _type_of(schema) for name, schema in wanted.fields.items()}
    return {f"profile.{name}": kind for name, kind in types.items()}


def _type_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if kind == "string" or (kind is None and all(isinstance(value, str) for value in schema.get("enum", []))):
        return "date" if schema.get("format") == "date" else "string"
    if kind == "array":
        return "strings" if _type_of(schema.get("items") or {"type": "object"}) in {"string", "date"} else "any"
    return str(kind) if kind in {"integer", "number", "boolean"} else "any"
