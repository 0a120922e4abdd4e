"""What a collection declares of its profiles: the block `profiles` in `collections.yaml`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from assets.declaring import Settings

BUILT_IN = frozenset({"title", "summary", "keywords", "entities", "kind", "language", "quotes"})
TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object"})
KINDS = (
    "report", "manual", "procedure", "policy", "contract", "minutes", "letter", "email", "notice", "article", "faq",
    "form", "table", "presentation", "specification", "invoice", "other",
)  # fmt: skip
ENTITY_TYPES = ("person", "organization", "place", "product", "date", "other")
_NAME = re.compile(r"[^\W\d]\w{0,59}")


class ProfileBudget(Settings):
    """What the profiles of a collection may cost; beyond it the rest waits for a later run. The text never waits."""

    tokens_per_run: int | None = Field(None, gt=0, description="Most tokens that one run sends; null for no bound.")
    tokens_per_day: int | None = Field(
        None, gt=0, description="Most tokens in a calendar day of the collection's time zone."
    )
    cost_per_run: float | None = Field(
        None, gt=0, description="Most money in one run, in the currency of llm, whose prices must be declared."
    )
    cost_per_day: float | None = Field(None, gt=0, description="Most money in a calendar day.")

    @property
    def in_money(self) -> bool:
        """Whether prices are needed."""
        return self.cost_per_run is not None or self.cost_per_day is not None


class Profiles(Settings):
    """What an LLM is to say of each document. All but the limits is part of the profile recipe."""

    summary: bool = Field(default=True, description="Whether a summary in the document's language is made.")
    keywords: bool = Field(default=True, description="Whether keywords are named.")
    entities: bool = Field(default=True, description="Whether entities are named; those not in the text are dropped.")
    kinds: tuple[str, ...] = Field(KINDS, min_length=1, description="Kinds of documents to choose from.")
    entity_types: tuple[str, ...] = Field(ENTITY_TYPES, min_length=1, description="Types of entities to choose from.")
    fields: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Further fields by name, each a JSON Schema, as deadline: {type: string, format: date, "
        "description: ...}. A value whose quote does not occur in the text is dropped.",
    )
    max_document_tokens: int = Field(
        100_000, ge=500, description="Most tokens of a document that are sent; of a longer one its beginning."
    )
    seconds_per_run: float = Field(900, gt=0, description="Time after which a run sends no further question.")
    budget: ProfileBudget = Field(
        default_factory=lambda: ProfileBudget.model_validate({}), description="What a run, and a day, may cost."
    )

    @field_validator("fields")
    @classmethod
    def _plain_schemas(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, schema in value.items():
            if not _NAME.fullmatch(name) or name in BUILT_IN:
                taken = ", ".join(sorted(BUILT_IN))
                raise ValueError(f"{name!r} cannot name a field; use letters, digits and _, and none of {taken}")
            if "enum" not in schema and schema.get("type") not in TYPES:
                given = f"{schema['type']!r} is no type; " if "type" in schema else ""
                raise ValueError(f"{given}{name} needs a type ({', '.join(sorted(TYPES))}) or an enum")
            if refers(schema):
                raise ValueError(f"{name} must not refer to another schema; write it out")
        return value


def refers(node: Any) -> bool:
    """Say whether a schema refers to another one, perhaps on another server."""
    if isinstance(node, dict):
        return bool({"$ref", "$dynamicRef", "$schema", "$id"} & set(node)) or any(map(refers, node.values()))
    return isinstance(node, list) and any(map(refers, node))
