"""Cutting damaged chunk sets again from their stored parses, and proving by digest that they are what they were.

Texts keep their numbers, so that vectors remain theirs. What cannot be proved is not written: its parse and chunk set
no longer count as results, and the next refresh makes them anew from the source.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from assets.chunks.chunking import Chunk
from assets.chunks.stage import Unchunked, cutter
from assets.recipes import Recipe, chunking_of
from assets.refresh import Cutting, cutting_of
from assets.upkeep.verify_findings import Finding, stopped
from assets.vectors.spaces import read_spaces
from assets.workbench import Workbench
from resources.postgres import Session


class Holding(Protocol):
    """What is needed of a collection that is held."""

    @property
    def bench(self) -> Workbench:
        """Settings and doors."""
        ...

    @property
    def session(self) -> Session:
        """A connection of the pipeline role."""
        ...

    @property
    def name(self) -> str:
        """The collection."""
        ...

    @property
    def collection_id(self) -> int:
        """Its number."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that commits only while the lease is held."""
        ...


@dataclass(frozen=True)
class Damaged:
    """A chunk set at fault.

    Attributes:
        chunk_set_id: its number.
        elements_id: the parse that it was cut from; None if its row is gone.
        declared: digest of the parameters that it was cut with.
        versions: digest of the versions that cut it.
        digest: of its chunks as they were written; None from before there were digests.
        details: of the recipe that cut it.
        only_without_digest: whether nothing is wrong but that.
    """

    chunk_set_id: int
    elements_id: int | None
    declared: str | None
    versions: str | None
    digest: bytes | None
    details: dict[str, Any] | None
    only_without_digest: bool | None


class _Differs(Exception):  # Takes a recut back; never leaves this module.
    pass


def mend_chunk_sets(held: Holding) -> list[Finding]:
    """Mend the chunk sets of a collection that are at fault; says what could not be mended here and now."""
    settings = held.bench.collections.get(held.name)
    if settings is None:
        return [stopped(held.name, "it is not declared any more, so that nothing can be cut again; declare it.")]
    row = held.session.records("refresh/read_collection", {"name": held.name})[0]
    cutting = cutting_of(held.bench, held.name, read_spaces(held.session), row["tokenizer"])
    condemned = 0
    for damaged in held.session.rows(Damaged, "verify/list_damaged_chunk_sets", {"collection_id": held.collection_id}):
        params = {"chunk_set_id": damaged.chunk_set_id}
        if damaged.only_without_digest:
            with held.writing():
                held.session.execute("chunks/record_digests", {"chunk_set_ids": [damaged.chunk_set_id]})
        elif not _recut(held, damaged, cutting):
            condemned += 1
            with held.writing():
                held.session.execute("verify/mark_content_unconverged", params)
                dead = _dead_recipe(held.session, damaged.chunk_set_id)
                held.session.execute("verify/condemn_chunk_set", params | {"recipe_id": dead})
    if not condemned:
        return []
    sentence = f"{condemned} chunk sets could not be proved to be what they were; refresh, and they are made anew."
    return [stopped(held.name, sentence)]


def _dead_recipe(session: Session, chunk_set_id: int) -> int:
    """Return a recipe that no collection can declare, for what no longer counts.

    One a chunk set: two parses of one content may both have to be set aside, and a content has one parse a recipe.
    """
    recipe = Recipe("damaged", {"damaged": chunk_set_id}, {})
    return int(session.value("refresh/declare_recipe", recipe.params()))


def _recut(held: Holding, damaged: Damaged, cutting: Cutting) -> bool:
    """Cut a set again; keep the result only if it is proved to be what was there. Says whether it was."""
    wanted = cutting.recipe.params()
    if damaged.elements_id is None or damaged.details is None or damaged.declared != wanted["declared"]:
        return False
    parses = held.session.rows(Unchunked, "verify/read_parse", {"elements_id": damaged.elements_id})
    if not parses:
        return False
    limits = json.loads(damaged.details["versions"].get("limits", "{}"))
    cut = cutter(replace(cutting, settings=chunking_of(damaged.details), limits=limits))  # As it was cut, not as now.
    try:
        pieces = cut(parses[0])
    except Exception:  # Whatever it is, the stored parse is not what it was.
        return False
    try:
        with held.writing():
            _replace(held.session, damaged, pieces, same_versions=damaged.versions == wanted["versions"])
    except _Differs:
        return False
    return True


def _replace(session: Session, damaged: Damaged, pieces: list[Chunk], *, same_versions: bool) -> None:
    """Write the chunks of a set anew, inside a transaction.

    Raises:
        _Differs: the result has another digest than the set had, and nothing else vouches for it.
    """
    wanted = {"chunk_set_id": damaged.chunk_set_id}
    params = wanted | _columns(damaged.chunk_set_id, pieces)
    session.execute("verify/restore_texts", params)
    session.execute("verify/restore_hashes", params)
    session.execute("verify/restore_lost_texts", params)
    before = session.value("verify/read_digest", wanted)
    session.execute("chunks/insert_texts", params)
    session.execute("chunks/hold_texts", params)
    session.execute("verify/delete_chunks", wanted)
    session.execute("chunks/insert_chunks", params)
    after = session.value("verify/read_digest", wanted)
    recorded = damaged.digest
    # Where the digest itself was altered, rows and recut agree; where there is none, the same code must have cut.
    vouched = after in {recorded, before} or (recorded is None and same_versions)
    if not vouched:
        raise _Differs
    session.execute("chunks/record_digests", {"chunk_set_ids": [damaged.chunk_set_id]})


def _columns(chunk_set_id: int, pieces: list[Chunk]) -> dict[str, Any]:
    """Return chunks as arrays of equal length, as the statements take them."""
    return {
        "chunk_set_ids": [chunk_set_id] * len(pieces),
        "ordinals": list(range(len(pieces))),
        "digests": [hashlib.sha256(piece.text.encode()).digest() for piece in pieces],
        "texts": [piece.text for piece in pieces],
        "tokens": [piece.tokens for piece in pieces],
        "body_starts": [piece.body_start for piece in pieces],
        "starts": [piece.start for piece in pieces],
        "ends": [piece.end for piece in pieces],
        "pages": [json.dumps(piece.pages) for piece in pieces],
        "headings": [json.dumps(piece.heading_path) for piece in pieces],
        "leads": [piece.lead for piece in pieces],
        "htmls": [piece.html for piece in pieces],
        "flags": [json.dumps(piece.flags) for piece in pieces],
    }
