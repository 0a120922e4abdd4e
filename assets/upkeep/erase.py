"""Erasing a document: at once, past every gate and guard, from everything that a query could reach, and for good.

The lease is taken from whoever holds it, so that nothing under way writes the document back. What it alone has goes in
one transaction; what others share stays. Marks of digests keep it out. Then everything that nothing reaches is removed,
for parses of versions that were never published know no document.
"""

from __future__ import annotations

import difflib
import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assets.documents.detection import OVERSIZE, UNREADABLE
from assets.documents.marks import ERASED, uri_digest
from assets.lease import seize
from assets.upkeep.reach import collect, remove_texts, undisturbed
from assets.upkeep.sweep import alone
from assets.workbench import Workbench
from resources.errors import ConfigurationError, TransientError
from resources.postgres import Session

BEYOND = (
    "the file in the source, which is left as it is and is not read again",
    "other collections, also where they hold the same file",
    "backups, replicas and archived WAL of the database",
    "Postgres' own statistics, which hold samples of columns, until ANALYZE has passed over the tables",
    "dead rows, until VACUUM has passed over the tables and their pages are used again",
    "what the embedding endpoint logged when it was sent the text",
    "what readers copied, and the answers of search that they kept",
)
"""Where an erased document may still be, and what no database can reach."""

NAMED_BY_ITS_MAIL = "the name and digest of the attachment in the mail that it is in; erase the mail to remove these"


@dataclass(frozen=True)
class Receipt:
    """What an erasure did.

    Attributes:
        collection: from which.
        uri: of the document; kept nowhere but here.
        by: who asked.
        erased_at: when.
        documents: the document and what was attached to it.
        removed: rows by table.
        shared: what stays, as other documents have it too: parses and texts.
        leftovers: rows that nothing reached, removed with it: earlier versions are among them. None if they go with the
            next garbage collection, as one was running.
        beyond: what it cannot reach.
    """

    collection: str
    uri: str
    by: str
    erased_at: datetime
    documents: int
    removed: dict[str, int]
    shared: dict[str, int]
    leftovers: dict[str, int] | None
    beyond: tuple[str, ...]


@dataclass(frozen=True)
class _Family:
    """A document and what is attached to it."""

    ids: list[int]
    uris: list[str]
    contents: list[set[bytes]]
    elements: list[int]
    attached: bool

    @property
    def params(self) -> dict[str, Any]:
        return {"document_ids": self.ids}


def find_collection(bench: Workbench, uri: str, collection: str | None) -> tuple[str, int]:
    """Return the name and number of the collection that holds a document.

    Args:
        bench: settings and doors.
        uri: of the document.
        collection: where to look; None for everywhere.

    Raises:
        ConfigurationError: none does, or several do.
    """
    with bench.database.connect() as session:
        where = {"uri": uri, "collection": collection}
        found = session.records("upkeep/find_documents", where)
        if len(found) == 1:
            return found[0]["collection"], found[0]["collection_id"]
        if found:
            names = ", ".join(row["collection"] for row in found)
            raise ConfigurationError(f"Several collections hold {uri!r}: {names}; say which with --collection.")
        marked = session.records("upkeep/find_erasures", {"uri_hash": uri_digest(uri), "collection": collection})
        if marked:
            raise ConfigurationError(f"{uri!r} was erased from {marked[0]['collection']} before; nothing was done.")
        similar = [row["uri"] for row in session.records("upkeep/read_similar_uris", where)]
    near = difflib.get_close_matches(uri, similar, n=1)
    hint = (
        f"did you mean {near[0]!r}?" if near else "`suimon search` and search.documents show the uris that there are."
    )
    place = f"The collection {collection}" if collection else "No collection"
    raise ConfigurationError(f"{place} {'holds no' if collection else 'holds a'} document {uri!r}; {hint}")


def erase(bench: Workbench, collection: str, uri: str, *, by: str, run_id: str) -> Receipt:
    """Remove a document and what is attached to it, and keep them out.

    Args:
        bench: settings and doors.
        collection: from which.
        uri: of the document.
        by: who asks.
        run_id: names this while it holds the lease.

    Raises:
        ConfigurationError: the collection holds no such document.
        TransientError: refreshes of other collections left no gap; nothing was erased then.
    """
    name, collection_id = find_collection(bench, uri, collection)
    with bench.database.connect() as session:
        lease = seize(bench.database, session, collection_id, run_id, seconds=bench.lease_seconds)
        try:
            with undisturbed(session):
                lease.confirm(session)
                family, removed, shared = _erase(session, name, uri, by)
        finally:
            lease.release()
        leftovers = _collect_leftovers(bench, session)
    beyond = (*BEYOND, NAMED_BY_ITS_MAIL) if family.attached else BEYOND
    return Receipt(name, uri, by, datetime.now(UTC), len(family.ids), removed, shared, leftovers, beyond)


def lift(bench: Workbench, collection: str | None, uri: str, *, run_id: str) -> str:
    """Take the marks of an erased document away, so that a later refresh may bring it back.

    Args:
        bench: settings and doors.
        collection: from which it was erased; None where there is but one.
        uri: of the document.
        run_id: names this while it holds the lease.

    Returns:
        The collection.

    Raises:
        ConfigurationError: it was not erased, or from several collections.
    """
    digest = uri_digest(uri)
    with bench.database.connect() as session:
        found = session.records("upkeep/find_erasures", {"uri_hash": digest, "collection": collection})
        if len(found) != 1:
            names = ", ".join(row["collection"] for row in found)
            raise ConfigurationError(
                f"{uri!r} was erased from several collections: {names}; say which with --collection."
                if found
                else f"{uri!r} was not erased{f' from {collection}' if collection else ''}; nothing was done."
            )
        name: str = found[0]["collection"]
        known = session.records("refresh/read_collection", {"name": name})
        params = {"collection": name, "uri_hash": digest}
        if not known:  # Dropped since: its marks are left, and nobody else's business.
            session.execute("upkeep/lift_marks", params)
            return name
        where = {"collection_id": known[0]["collection_id"]}
        lease = seize(bench.database, session, where["collection_id"], run_id, seconds=bench.lease_seconds)
        try:
            with session.transaction():
                lease.confirm(session)
                session.execute("upkeep/lift_marks", params)
                session.execute("upkeep/look_again", where)
                session.execute("refresh/mark_unconverged", where)
        finally:
            lease.release()
    return name


def _erase(session: Session, collection: str, uri: str, by: str) -> tuple[_Family, dict[str, int], dict[str, int]]:
    """Inside a transaction in which no refresh commits, remove what a document alone has."""
    found = session.records("upkeep/find_documents", {"uri": uri, "collection": collection})
    if not found:
        raise ConfigurationError(f"{uri!r} has just gone from {collection}; nothing was done.")
    family = _family(session, found[0]["document_id"])
    session.execute("upkeep/forget_terms", family.params)
    removed: Counter[str] = Counter(heads=session.execute("upkeep/erase_heads", family.params))
    removed["publish_changes"] = session.execute("upkeep/erase_changes", family.params)
    removed["quarantine"] = session.execute("upkeep/erase_quarantine", family.params)
    removed["documents"] = session.execute("upkeep/erase_documents", family.params)
    own = {"ids": [row["id"] for row in session.records("upkeep/read_unshared_parses", {"ids": family.elements})]}
    texts = {"ids": [row["id"] for row in session.records("upkeep/read_texts_of_parses", own)]}
    removed.update(session.record("upkeep/erase_chunk_sets", own))
    removed["elements"] = session.execute("upkeep/erase_elements", own)
    session.execute("upkeep/forget_wanted", texts)
    removed.update(remove_texts(session, texts["ids"]))
    shared = {"elements": len(family.elements) - len(own["ids"]), "texts": len(texts["ids"]) - removed["texts"]}
    session.execute("upkeep/forget_uris", {"uris": family.uris})
    session.execute("upkeep/mark_erased", {"collection": collection, "by": by} | _marks(family, removed))
    return family, dict(removed), shared


def _family(session: Session, document_id: int) -> _Family:
    rows = session.records("upkeep/read_family", {"document_id": document_id})
    ids = [row["document_id"] for row in rows]
    parses = session.records("upkeep/read_family_parses", {"document_ids": ids})
    contents: dict[int, set[bytes]] = {number: set() for number in ids}
    for row in rows:
        if row["format"] not in {OVERSIZE, UNREADABLE, ERASED}:  # What was not read has no digest of its bytes.
            contents[row["document_id"]].add(bytes(row["content_hash"]))
    for parse in parses:
        contents[parse["document_id"]].add(bytes(parse["content_hash"]))
    elements = sorted({parse["elements_id"] for parse in parses})
    return _Family(
        ids, [row["uri"] for row in rows], list(contents.values()), elements, attached=rows[0]["parent_id"] is not None
    )


def _marks(family: _Family, removed: Counter[str]) -> dict[str, list[Any]]:
    """A row a document and content. What was attached names the digest of the document, to be lifted with it."""
    root = uri_digest(family.uris[0])
    rows: list[tuple[bytes, bytes | None, str]] = []
    for uri, contents in zip(family.uris, family.contents, strict=True):
        note = dict(removed) if not rows else {"with": root.hex()}
        known: list[bytes | None] = [*sorted(contents)]
        for content in known or [None]:
            rows.append((uri_digest(uri), content, json.dumps(note)))
            note = {"with": root.hex()}
    uri_hashes, content_hashes, notes = zip(*rows, strict=True)
    return {"uri_hashes": list(uri_hashes), "content_hashes": list(content_hashes), "removed": list(notes)}


def _collect_leftovers(bench: Workbench, session: Session) -> dict[str, int] | None:
    """Remove what nothing reaches; parses of versions that were never published are among it."""
    deadline = time.monotonic() + bench.lease_wait_seconds
    while True:
        try:
            with alone(session):
                return {table: count for table, count in collect(bench.database, session).items() if count}
        except TransientError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.2)
