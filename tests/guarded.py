"""Collections that not everybody may read, and logins of several rights."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resources.parser_pool import ParserPool
from tests.test_mail import mail
from tests.worlds import World, make_logins, new_world, vector

MARK = "geheim"
"""Stands in every hidden document: text, title, heading, path, metadata."""

ROLES = {
    "sec_board": (),
    "sec_legal": (),
    "sec_chair": ("sec_board",),
    "sec_any": ("suimon_reader",),
    "sec_bea": ("suimon_reader", "sec_board"),
    "sec_cleo": ("suimon_reader", "sec_chair"),
    "sec_lea": ("suimon_reader", "sec_legal"),
    "sec_app": ("suimon_reader", "sec_bea", "sec_any"),
    "sec_pipe": ("suimon_pipeline",),
    "sec_stranger": (),
    "sec_bypass": ("suimon_reader",),
}
LOGINS = {name: "LOGIN" for name in ROLES if name not in {"sec_board", "sec_legal", "sec_chair"}} | {
    "sec_app": "LOGIN NOINHERIT",
    "sec_bypass": "LOGIN BYPASSRLS",
}

NFD = unicodedata.normalize("NFD", "ガイド/取締役.md")

OPEN = {("open", "a.md"), ("open", "b.md"), ("mixed", "x.md"), ("mixed", "boards.md")}
BOARD = {
    ("closed", f"{MARK}.html"), ("mixed", f"board/{MARK}.md"), ("mixed", NFD), ("mixed", "mails/m.eml"),
    ("mixed", "mails/m.eml!/note.md"), ("mixed", "inner.md"),
}  # fmt: skip
LEGAL = {("mixed", "secret.md")}
NOBODY = {("nobody", "n.md")}

RULES: list[dict[str, Any]] = [
    {"path": "board/**", "readers": ["sec_board"]},
    {"path": "ガイド/**", "readers": ["sec_board"]},
    {"path": "mails/*.eml", "readers": ["sec_board"]},
    {"metadata": {"confidentiality": "secret"}, "readers": ["sec_legal"]},
    {"metadata": {"tags": "inner"}, "readers": ["sec_board"]},
]
FIELDS = {"fields": {"confidentiality": {}, "tags": {"type": "strings"}}}


UNREACHED = (
    (
        "INSERT INTO corpus.recipes (stage, declared, versions, details) "
        "SELECT 'chunks', 'old' || i, '', '{}' FROM generate_series(1, 1500) AS i"
    ),
    (
        "INSERT INTO corpus.chunk_sets (elements_id, recipe_id) SELECT e.elements_id, r.recipe_id "
        "FROM corpus.elements AS e CROSS JOIN corpus.recipes AS r WHERE r.declared LIKE 'old%'"
    ),
)
"""Chunk sets that no head shows. A table that is dear to go through lets the planner ask a reader's operator of pairs
that do not belong together first: a head that is visible, and any row of elements."""


def hidden(words: str, front: str = "") -> str:
    """Write a document that is not for everybody; of many passages, so that it has ordinals of its own."""
    head = f"---\n{front}\n---\n" if front else ""
    return f"{head}# {MARK} {words}\n\n" + "".join(
        f"## {MARK} {number}\n\nThe gate of {MARK} {words} {number} is opened by the board alone.\n\n"
        for number in range(5)
    )


@contextmanager
def guarded_world(postgres: str, template: str, pool: ParserPool, folder: Path) -> Iterator[World]:
    """Make four collections, open to all, closed, closed in part, closed to everybody, and take them away again.

    Args:
        postgres: DSN of the server.
        template: database to clone.
        pool: warm parsers.
        folder: where sources and state go.
    """
    with new_world(postgres, template, pool, folder) as made:
        make_logins(made, ROLES, LOGINS)
        made.publish(
            "open", {"a.md": "# Open\n\nThe gate is opened at high water.", "b.md": "# 水門\n\nGate: 水門を開ける。"}
        )
        made.publish("closed", {f"{MARK}.html": f"<h1>{MARK}</h1><p>The gate of {MARK}.</p>"}, readers=["sec_board"])
        note = mail(f"{MARK} mail", "The gate letter.", ("note.md", f"# {MARK}\n\nA gate note.".encode()))
        made.publish(
            "mixed",
            {
                "x.md": "# Mixed\n\nThe gate of everybody.",
                "boards.md": "# Boards\n\nThe gate is made of boards.",
                f"board/{MARK}.md": hidden("board"),
                NFD: hidden("guide"),
                "mails/m.eml": note.as_bytes(),
                "secret.md": hidden("secret", "confidentiality: secret"),
                "inner.md": hidden("inner", "tags: [inner, other]"),
            },
            document_readers=RULES,
            metadata=FIELDS,
        )
        made.publish("nobody", {"n.md": hidden("nobody")}, readers=[])
        made.sudo("CREATE SCHEMA of_any AUTHORIZATION sec_any", *UNREACHED, "ANALYZE")
        yield made


CHANNELS = {
    "chunks": "SELECT DISTINCT collection, uri FROM search.chunks",
    "chunks of the space": "SELECT DISTINCT collection, uri FROM search.chunks_small",
    "documents": "SELECT collection, uri FROM search.documents",
    "semantic": "SELECT DISTINCT collection, uri FROM search.semantic('small', %(vector)s, 1000)",
    "lexical": "SELECT DISTINCT collection, uri FROM search.lexical('small', 'gate', 1000)",
    "hybrid": "SELECT DISTINCT collection, uri FROM search.hybrid('small', %(vector)s, 'gate', 1000)",
    "plain vector order": "SELECT DISTINCT collection, uri FROM (SELECT * FROM search.chunks "
    "ORDER BY embedding <=> %(vector)s LIMIT 1000) AS c",
}
ASKED = {"vector": vector("the gate")}
