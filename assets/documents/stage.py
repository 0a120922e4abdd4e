"""The documents stage: list the source, look only at what may have changed, write down what it holds."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from assets.documents.scan import (
    FINE_CLOCK_NS,
    OVERSIZE,
    UNREADABLE,
    Comparison,
    Content,
    Difference,
    Known,
    examine,
    is_settled,
)
from assets.elements.parsing import modules_for
from assets.refresh import Growth, Refresh, StageReport
from resources.sources import Entry, Source

BATCH = 500
READERS = 8
"""Files opened side by side: a remote source answers slowly, a local disk does not mind."""


@dataclass(frozen=True)
class _Examined:
    difference: Difference
    content: Content | None
    settled: bool


def run(refresh: Refresh) -> StageReport:
    """Scan the source of a collection.

    Raises:
        ConfigurationError: the source does not exist.
        SourceUnavailable: it could not be listed to its end; nothing vanishes then.
    """
    report = StageReport("documents")
    source = refresh.bench.source(refresh.name)
    tally: Counter[str] = Counter()
    formats: set[str] = set()
    growth = Growth()
    with refresh.bench.database.connect() as reader, ThreadPoolExecutor(READERS) as threads:
        known = reader.stream(Known, "documents/read_known_documents", refresh.params)
        comparison = Comparison(source.list(), known)
        for differences in _batches(comparison, BATCH):
            examined = threads.map(lambda item: _examine(source, item, refresh), differences)
            _write(refresh, list(examined), tally, formats)
            growth.add(refresh.session, len(differences))
            refresh.bench.progress("documents", comparison.listed, None)
    report.counts = {
        "listed": comparison.listed,
        "new": tally["new"],
        "changed": tally["changed"],
        "vanished": tally["vanished"],
        "returned": tally["returned"],
        "touched": tally["touched"],
        "unreadable": tally["unreadable"],
        "unchanged": comparison.unchanged,
    }
    report.changed = any(tally[name] for name in ("new", "changed", "vanished", "returned"))
    if formats:
        _prepare_parsers(refresh, formats)
    return report


def _prepare_parsers(refresh: Refresh, formats: set[str]) -> None:
    """Let slow imports begin while this process goes on."""
    modules = modules_for(formats)
    if modules:
        threading.Thread(target=refresh.bench.parser_pool.warm, args=(modules,), daemon=True).start()


def _batches(differences: Iterable[Difference], size: int) -> Iterator[list[Difference]]:
    waiting = iter(differences)
    while batch := list(islice(waiting, size)):
        yield batch


def _examine(source: Source, difference: Difference, refresh: Refresh) -> _Examined:
    entry = difference.entry
    if entry is None:
        return _Examined(difference, None, settled=True)
    settled = _await_tick(entry.modified_ns)
    if entry.size > refresh.settings.limits.max_file_mb * 1_000_000:
        return _Examined(difference, _stand_in(entry, OVERSIZE), settled)
    try:
        with source.open(entry.uri) as stream:
            return _Examined(difference, examine(stream, entry.uri), settled)
    except FileNotFoundError:
        return _Examined(difference, None, settled=True)
    except OSError:
        return _Examined(difference, _stand_in(entry, UNREADABLE), settled=False)


def _await_tick(modified_ns: int | None) -> bool:
    """Say whether a stamp can be trusted; where the clock is fine, wait out its tick so that it can."""
    now = time.time_ns()
    if is_settled(modified_ns, now):
        return True
    if modified_ns is not None and 0 <= now - modified_ns <= FINE_CLOCK_NS:
        time.sleep(FINE_CLOCK_NS / 1e9)
    return is_settled(modified_ns, time.time_ns())


def _stand_in(entry: Entry, state: str) -> Content:
    """Identify a document that was not read by its stamp, so that it is looked at again when that changes."""
    return Content(hashlib.sha256(f"{state} {entry.stamp}".encode()).digest(), state, entry.size)


def _write(refresh: Refresh, examined: list[_Examined], tally: Counter[str], formats: set[str]) -> None:
    known_ids = [e.difference.known.document_id for e in examined if e.difference.known and e.content]
    recorded: dict[int, tuple[bytes, str]] = {}
    if known_ids:
        rows = refresh.session.records("documents/read_contents", {"document_ids": known_ids})
        recorded = {row["document_id"]: (bytes(row["content_hash"]), row["format"]) for row in rows}
    upserts: list[_Examined] = []
    vanished: list[int] = []
    stale = False
    for item in examined:
        kind = _kind(item, recorded)
        if kind == "missed":
            continue
        tally[kind] += 1
        stale |= kind in {"new", "changed", "returned", "vanished"}
        if kind == "vanished" and item.difference.known:
            vanished.append(item.difference.known.document_id)
        elif kind != "unreadable":
            upserts.append(item)
            if kind in {"new", "changed"} and item.content:
                formats.add(item.content.format)
    with refresh.writing():
        if upserts:
            refresh.session.execute("documents/upsert_documents", _columns(refresh, upserts))
        if vanished:
            refresh.session.execute("documents/mark_vanished", {"document_ids": vanished})
        if stale:
            refresh.session.execute("refresh/mark_unconverged", refresh.params)


def _kind(item: _Examined, recorded: dict[int, tuple[bytes, str]]) -> str:
    """Say what a difference turned out to be, now that the bytes are known."""
    known = item.difference.known
    if item.difference.entry is None:
        return "vanished"
    if item.content is None:  # Removed between listing and reading: the next refresh will not list it.
        return "missed"
    if known is None:
        return "new"
    if item.content.format == UNREADABLE:  # Readers keep what was there before.
        return "unreadable"
    if known.vanished:
        return "returned"
    same = recorded.get(known.document_id) == (item.content.digest, item.content.format)
    return "touched" if same else "changed"


def _columns(refresh: Refresh, items: list[_Examined]) -> dict[str, object]:
    rows = [(item.difference.entry, item.content, item.settled) for item in items]
    pairs = [(entry, content, settled) for entry, content, settled in rows if entry and content]
    return {
        "collection_id": refresh.collection_id,
        "uris": [entry.uri for entry, _, _ in pairs],
        "stamps": [entry.stamp for entry, _, _ in pairs],
        "settled": [settled for _, _, settled in pairs],
        "sizes": [content.size for _, content, _ in pairs],
        "digests": [content.digest for _, content, _ in pairs],
        "formats": [content.format for _, content, _ in pairs],
        "metadata": [_metadata(entry, content) for entry, content, _ in pairs],
    }


def _metadata(entry: Entry, content: Content) -> str:
    folder, _, name = entry.uri.rpartition("/")
    return json.dumps({"name": name, "folder": folder, "format": content.format} | entry.metadata, ensure_ascii=False)
