"""The documents stage: list the source, look only at what may have changed, write down what it holds."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from assets.documents.clock import await_tick
from assets.documents.detection import OVERSIZE, UNREADABLE
from assets.documents.gathering import Gathered, Gatherer
from assets.documents.marks import ERASED, Marks, read_marks
from assets.documents.scan import Comparison, Content, Difference, Known, examine
from assets.elements.parsing import modules_for
from assets.refresh import Growth, Refresh, StageReport
from resources import failpoints
from resources.sources import Entry, Source

BATCH = 500
READERS = 8
"""Files opened side by side: a remote source answers slowly, a local disk does not mind."""


@dataclass(frozen=True)
class _Examined:
    difference: Difference
    content: Content | None
    settled: bool = True
    gathered: Gathered | None = None


def run(refresh: Refresh) -> StageReport:
    """Scan the source of a collection.

    Raises:
        ConfigurationError: the source does not exist, or the manifest of its metadata is missing or damaged.
        SourceUnavailable: it could not be listed to its end; nothing vanishes then.
    """
    report = StageReport("documents")
    gatherer = Gatherer(refresh.bench, refresh.name)
    tally: Counter[str] = Counter()
    formats: set[str] = set()
    growth = Growth()
    marks = read_marks(refresh.session, refresh.name, refresh.collection_id)
    with refresh.bench.database.connect() as reader, ThreadPoolExecutor(READERS) as threads:
        known = reader.stream(Known, "documents/read_known_documents", refresh.params)
        comparison = Comparison(marks.passing(gatherer.source.list(), tally), known, gatherer.stamp)
        for differences in _batches(comparison, BATCH):
            examined = threads.map(lambda item: _look_at(gatherer, item, refresh, marks), differences)
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
        "unchanged": comparison.unchanged + tally["unchanged"],
    }
    if tally[ERASED]:
        report.counts[ERASED] = tally[ERASED]
    if tally["missed"]:
        report.counts["gone_while_reading"] = tally["missed"]
    report.counts |= {f"passed_over_{why}": met for why, met in gatherer.source.passed_over.items() if why != "hidden"}
    if refresh.settings.metadata is not None:
        report.counts |= {"metadata_gathered": tally["gathered"]} | gatherer.counts()
    report.changed = any(tally[name] for name in ("new", "changed", "vanished", "returned", "redeclared"))
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


def _look_at(gatherer: Gatherer, difference: Difference, refresh: Refresh, marks: Marks) -> _Examined:
    """Read what may have changed: the document, or only what is declared of it."""
    seen = _examine(gatherer.source, difference, refresh, marks) if difference.content else _Examined(difference, None)
    entry, known = difference.entry, difference.known
    if entry is None or gatherer.stamp(entry) == (known.declared_stamp if known else ""):
        return seen
    return replace(seen, gathered=gatherer.gather(entry))


def _examine(source: Source, difference: Difference, refresh: Refresh, marks: Marks) -> _Examined:
    entry = difference.entry
    if entry is None:
        return _Examined(difference, None)
    settled = await_tick(entry.modified_ns)
    if entry.size > refresh.settings.limits.max_file_mb * 1_000_000:
        return _Examined(difference, _stand_in(entry, OVERSIZE), settled)
    try:
        with source.open(entry.uri) as stream:
            content = examine(stream, entry.uri)
    except FileNotFoundError:
        return _Examined(difference, None)
    except OSError:
        return _Examined(difference, _stand_in(entry, UNREADABLE), settled=False)
    if marks.holds_back(entry.uri, content.digest):
        content = _stand_in(entry, ERASED)
    return _Examined(difference, content, settled)


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
        tally[kind] += 1
        if kind == "missed":
            continue
        stale |= kind in {"new", "changed", "returned", "vanished"}
        if kind == "vanished" and item.difference.known:
            vanished.append(item.difference.known.document_id)
        elif kind not in {"unreadable", "unchanged"}:
            upserts.append(item)
            if kind in {"new", "changed"} and item.content:
                formats.add(item.content.format)
    with refresh.writing():
        if upserts:
            refresh.session.execute("documents/upsert_documents", _columns(refresh, upserts))
        if vanished:
            refresh.session.execute("documents/mark_vanished", {"document_ids": vanished})
        if _declare(refresh, examined, tally) or stale:
            refresh.session.execute("refresh/mark_unconverged", refresh.params)
        failpoints.reach("documents.writing")
    failpoints.reach("documents.written")


def _declare(refresh: Refresh, examined: list[_Examined], tally: Counter[str]) -> bool:
    """Keep what was gathered; says whether it was something else than before for any document."""
    gathered = {
        item.difference.entry.uri: item.gathered for item in examined if item.difference.entry and item.gathered
    }
    if not gathered:
        return False
    tally["gathered"] += len(gathered)
    params = refresh.params | {
        "uris": list(gathered),
        "stamps": [found.stamp for found in gathered.values()],
        "declared": [json.dumps(found.values, ensure_ascii=False) for found in gathered.values()],
    }
    if refresh.settings.metadata is None:
        tally["redeclared"] += refresh.session.execute("documents/restore_metadata", params)
        return True
    differing = refresh.session.execute("documents/declare_metadata", params)
    refresh.session.execute("documents/stamp_declared", params)
    if differing:
        refresh.session.execute("documents/inherit_declared", params)
    tally["redeclared"] += differing
    return differing > 0


def _kind(item: _Examined, recorded: dict[int, tuple[bytes, str]]) -> str:
    """Say what a difference turned out to be, now that the bytes are known."""
    known = item.difference.known
    if item.difference.entry is None:
        return "vanished"
    if not item.difference.content:
        return "unchanged"
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
