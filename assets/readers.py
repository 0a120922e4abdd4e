"""Who may read what: the declared rules of a collection, and how they come into force.

A rule belongs to a collection, not to a publish: it holds from the moment at which it was applied, for what is
published then and later, and a rollback brings no reader back.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from typing import Any

from fsspec.utils import glob_translate

from assets.settings import Collection, DocumentReaders, rule_value
from resources.postgres import Session


def uri_pattern(glob: str) -> str:
    r"""Return a glob as a regular expression of Postgres.

    Args:
        glob: over the path below a source; `**` spans folders.
    """
    # Python's own marks around the whole are written the way of Postgres, where a dot matches a line's end anyway.
    # Letters are in one piece, as `audience_of` compares them.
    whole = str(glob_translate(unicodedata.normalize("NFC", glob)))
    return f"^(?:{whole.removeprefix('(?s:').removesuffix(chr(92) + 'Z').removesuffix(')')})$"


def _rule(rule: DocumentReaders, settings: Collection) -> dict[str, Any]:
    contains = {name: rule_value(settings.metadata, name, value) for name, value in (rule.metadata or {}).items()}
    return {
        **({"pattern": uri_pattern(rule.path)} if rule.path is not None else {}),
        **({"contains": contains} if contains else {}),
        "readers": list(rule.readers),
    }


def rules_of(settings: Collection) -> list[dict[str, Any]]:
    """Return the rules of a collection in the order in which they are asked; the last fits every document."""
    last = {} if settings.readers is None else {"readers": list(settings.readers)}
    return [*(_rule(rule, settings) for rule in settings.document_readers), last]


@dataclass(frozen=True)
class RuleInForce:
    """A rule of who may read which documents, as the database has it.

    Attributes:
        collection: its name.
        pattern: regular expression over the path; None for any.
        contains: what the metadata has; None for any.
        readers: database roles; None for every reader.
        missing: those of them that the server does not have.
        documents: published documents that it decides for.
    """

    collection: str
    pattern: str | None
    contains: dict[str, Any] | None
    readers: list[str] | None
    missing: list[str]
    documents: int


def read_rules(session: Session, collection: str | None = None) -> list[RuleInForce]:
    """Return the rules in force, those of a collection in the order in which they are asked.

    Args:
        session: that may read the ledger.
        collection: of this one alone.
    """
    return session.rows(RuleInForce, "readers/read_rules", {"collection": collection})


def declared_rules(settings: Collection) -> dict[str, str]:
    """Return the rules and the types of the metadata as declared, and a digest of both."""
    types = {name: field.type for name, field in settings.metadata.fields.items()} if settings.metadata else {}
    rules = json.dumps(rules_of(settings), sort_keys=True)
    declared = json.dumps(types, sort_keys=True)
    return {
        "rules": rules,
        "types": declared,
        "digest": hashlib.sha256(f"{rules} {declared}".encode()).hexdigest(),
    }


def apply_readers(session: Session, collection_id: int, settings: Collection, applied: str | None) -> int | None:
    """Bring the declared rules into force, if they are not; says how many documents changed their readers.

    Args:
        session: of the pipeline role.
        collection_id: which collection.
        settings: as declared.
        applied: digest of the rules in force.

    Returns:
        None where the declared rules are in force already.
    """
    declared = declared_rules(settings)
    if declared["digest"] == applied:
        return None
    return int(session.value("refresh/declare_readers", declared | {"collection_id": collection_id}))
