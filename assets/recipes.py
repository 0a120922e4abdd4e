"""Recipes: everything that decides a stage's output, as a digest of what is declared and one of versions.

A change of what is declared applies at the next refresh. A change of a version applies to new and changed
documents until somebody asks for a rebuild. Nothing is imported to learn a version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from assets.settings import Chunking
from resources.programs import find_program

PARSE_CODE_VERSION = "2"
CHUNK_CODE_VERSION = "2"

FIRST_MAX_TOKENS = 256
"""The default of `max_tokens` in the first release. It names every recipe that declares none: another default comes
with an upgrade, so that it applies to new and changed documents until somebody asks for a rebuild."""

PROGRAMS = ("pandoc", "soffice", "tesseract")
"""Programs of the system that some formats need."""


@dataclass(frozen=True)
class Recipe:
    """What decides a stage's output.

    Attributes:
        stage: whose.
        declared: what the user can change.
        versions: what an upgrade can change.
    """

    stage: str
    declared: dict[str, Any]
    versions: dict[str, str]

    def params(self) -> dict[str, str]:
        """Return the values that name the recipe in the database."""
        return {
            "stage": self.stage,
            "declared": _digest(self.declared),
            "versions": _digest(self.versions),
            "details": json.dumps({"declared": self.declared, "versions": self.versions}, sort_keys=True),
        }


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def parse_recipe() -> Recipe:
    """Return the recipe of the parse stage.

    Which programs are installed is part of it: what waited in quarantine for one is tried again once it is there.
    """
    programs = [name for name in PROGRAMS if find_program(name)]
    return Recipe(
        "elements",
        {},
        {"code": PARSE_CODE_VERSION, "unstructured": version("unstructured"), "programs": " ".join(programs)},
    )


def chunk_recipe(chunking: Chunking, tokenizer: str, limits: Mapping[str, int] = MappingProxyType({})) -> Recipe:
    """Return the recipe of the chunk stage.

    Args:
        chunking: what the collection declares.
        tokenizer: whose tokens count.
        limits: what other spaces read, in tokens, by tokenizer. What was cut without them counts as well: it is cut
            again only where a chunk is too long for one of them.
    """
    declared = chunking.model_dump(mode="json") | {"tokenizer": tokenizer}
    versions = {"code": CHUNK_CODE_VERSION}
    if not chunking.overlap_tokens:  # As before there was overlap, so that what is cut and embedded stays.
        del declared["overlap_tokens"]
    if "max_tokens" not in chunking.model_fields_set:
        declared["max_tokens"] = FIRST_MAX_TOKENS
        versions["max_tokens"] = str(chunking.max_tokens)
    elif chunking.max_tokens == FIRST_MAX_TOKENS:  # Asked for, and not what nobody asked for.
        declared["max_tokens_declared"] = True
    if limits:
        versions["limits"] = json.dumps(dict(limits), sort_keys=True)
    return Recipe("chunks", declared, versions)


def chunking_of(details: Mapping[str, Any]) -> Chunking:
    """Return the settings that a recipe of the chunk stage was made from, whatever the defaults are today."""
    cut_with = {key: value for key, value in details["declared"].items() if key in Chunking.model_fields}
    if "max_tokens" in details["versions"]:
        cut_with["max_tokens"] = int(details["versions"]["max_tokens"])
    return Chunking.model_validate(cut_with)
