"""The elements stage: parse what is new in isolated processes; quarantine what will not parse."""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from assets.documents.describe import describe
from assets.documents.detection import BROKEN, ENCRYPTED
from assets.documents.marks import ERASED, Marks, read_marks
from assets.elements.parsing import REFUSED, SUPPORTED, Packed
from assets.elements.reasons import FAILURES
from assets.refresh import Growth, Refresh, StageReport
from resources import failpoints
from resources.errors import TransientError
from resources.parser_pool import Outcome, Task
from resources.sources import Globs

WRITE_CHARACTERS = 2_000_000
WRITE_DOCUMENTS = 50
"""Parses gathered before they are written: a bound on memory and on what a crash costs."""


NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

DEEPEST_ATTACHMENT = 5
"""Mails around a file, one in the other, beyond which it is no document."""


_NO_FORMATS = REFUSED | {ERASED: "erased"}


@dataclass(frozen=True, eq=False)
class Unparsed:
    """Bytes without a parse.

    Attributes:
        content_hash: sha256 of the bytes.
        format: as detected.
        uri: one listed file that holds them.
        parts: where they are inside that file; empty where they are the file.
        total: how many there are.
    """

    content_hash: bytes
    format: str
    uri: str
    parts: list[str]
    total: int


def run(refresh: Refresh) -> StageReport:
    """Parse the contents of a collection that have no parse yet."""
    report = StageReport("elements")
    if refresh.converged:
        return report
    tally: Counter[str] = Counter()
    deferred: set[bytes] = set()
    _parse_waiting(refresh, tally, report, deferred)
    for _ in range(DEEPEST_ATTACHMENT + 1):  # The last round finds nothing more, and what is left out.
        if not _follow_attachments(refresh, tally, report):
            break
        _parse_waiting(refresh, tally, report, deferred)
    report.quarantined.pop("changed_while_reading", None)
    report.counts = {
        "parsed": tally["parsed"],
        "pages": tally["pages"],
        "characters": tally["characters"],
        "stripped": tally["stripped"],
        "replaced": tally["replaced"],
        "attachments": tally["attachments"],
        "attachments_left_out": tally["attachments_left_out"],
        "deferred": len(deferred),
        "quarantined": sum(report.quarantined.values()),
    }
    describe(refresh, report)
    return report


def _parse_waiting(refresh: Refresh, tally: Counter[str], report: StageReport, deferred: set[bytes]) -> None:
    """Parse what has no parse yet, and write it as it comes; what changed while it was read is not read again."""
    with refresh.bench.database.connect() as reader, ThreadPoolExecutor(1) as writer:
        unparsed = reader.stream(Unparsed, "elements/read_unparsed", refresh.params)
        waiting = (item for item in unparsed if item.content_hash not in deferred)
        growth = Growth()
        writing: Future[None] | None = None  # The workers have their next file while the last ones are written.
        for batch in _batches(_parse(refresh, waiting)):
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, refresh, batch, tally, report, growth)
            deferred.update(o.key.content_hash for o in batch if o.detail == "changed_while_reading")
            report.changed = True
        if writing is not None:
            writing.result()


def _follow_attachments(refresh: Refresh, tally: Counter[str], report: StageReport) -> bool:
    """Make documents of what parsed mails hold, and let go of what they hold no more; say whether any came or went."""
    if not refresh.session.value("elements/has_mails", refresh.params):
        return False
    left = refresh.settings.left_out
    globs = Globs(left, ()) if left else None
    marks = read_marks(refresh.session, refresh.name, refresh.collection_id)
    with refresh.writing():
        present = refresh.session.records("elements/read_attachment_uris", refresh.params)
        left_out = [row["uri"] for row in present if not _may_be(row, globs)]
        gone = refresh.session.records("elements/mark_orphans", refresh.params | {"left_out": left_out})
        found = refresh.session.records("elements/read_attachments", refresh.params)
        wanted = [row for row in found if _is_wanted(row, globs, marks)]
        if wanted:
            refresh.session.execute("elements/upsert_attachments", refresh.params | _columns(wanted))
    tally["attachments"] += len(wanted)
    tally["attachments_left_out"] = len(found) - len(wanted)  # These are found again in each round.
    report.changed |= bool(gone or wanted)
    return bool(gone or wanted)


def _may_be(row: dict[str, Any], left_out: Globs | None) -> bool:
    """Say whether a file in a mail is near enough the surface, and not left out by name."""
    return row["depth"] <= DEEPEST_ATTACHMENT and not (left_out and left_out.match(row["uri"]))


def _is_wanted(row: dict[str, Any], left_out: Globs | None, marks: Marks) -> bool:
    """Say whether a file in a mail is to be a document: not what no program here reads, nor what was erased."""
    if marks.bars(row["uri"]) or marks.holds_back(row["uri"], bytes(row["content_hash"])):
        return False
    readable = row["format"] in SUPPORTED or row["format"] in {ENCRYPTED, BROKEN}
    return readable and not row["taken"] and _may_be(row, left_out)


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = {
        "parent_ids": "parent_id", "names": "name", "parts": "part", "digests": "content_hash", "formats": "format",
        "sizes": "size",
    }  # fmt: skip
    return {column: [row[name] for row in rows] for column, name in names.items()}


def _parse(refresh: Refresh, waiting: Iterator[Unparsed]) -> Iterator[Outcome]:
    first = next(waiting, None)
    if first is None:
        return
    source = refresh.bench.source(refresh.name)
    limits = refresh.settings.limits
    fetched: dict[Unparsed, ExitStack] = {}
    unread: list[Outcome] = []

    def tasks() -> Iterator[Task]:
        for item in chain([first], waiting):
            if item.format not in SUPPORTED:
                reason = _NO_FORMATS.get(item.format, "unsupported_format")
                unread.append(Outcome(item, failure="refused", detail=reason))
                continue
            own = fetched[item] = ExitStack()
            try:
                path = own.enter_context(source.fetch(item.uri))
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise TransientError(
                        f"A file could not be fetched into the temporary folder ({error.strerror}): make room there, "
                        "then refresh again."
                    ) from None
                path = Path("gone")
            yield Task(item, (str(path), item.format, item.content_hash, tuple(item.parts)))

    done = 0
    try:
        for outcome in refresh.bench.parser_pool.map(
            tasks(), seconds=limits.parse_seconds, memory_mb=limits.parse_memory_mb
        ):
            fetched.pop(outcome.key).close()
            done += 1
            refresh.bench.progress("elements", done + len(unread), first.total)
            yield outcome
    finally:
        for left in fetched.values():
            left.close()
    yield from unread


def _batches(outcomes: Iterator[Outcome]) -> Iterator[list[Outcome]]:
    batch: list[Outcome] = []
    characters = 0
    for outcome in outcomes:
        batch.append(outcome)
        characters += len(outcome.value.text) if outcome.value else 0
        if characters >= WRITE_CHARACTERS or len(batch) >= WRITE_DOCUMENTS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _write(refresh: Refresh, batch: list[Outcome], tally: Counter[str], report: StageReport, growth: Growth) -> None:
    _store(refresh, [outcome for outcome in batch if outcome.failure is None], tally)
    _quarantine(refresh, [outcome for outcome in batch if outcome.failure is not None], report)
    growth.add(refresh.session, len(batch))


def _store(refresh: Refresh, outcomes: list[Outcome], tally: Counter[str]) -> None:
    if not outcomes:
        return
    parses: list[tuple[Unparsed, Packed]] = [(outcome.key, outcome.value) for outcome in outcomes]
    for _, parsed in parses:
        tally.update(parsed=1, pages=parsed.pages, characters=len(parsed.text))
        tally.update({name: parsed.counters[name] for name in ("stripped", "replaced")})
    with refresh.writing():
        refresh.session.execute(
            "elements/insert_elements",
            {
                "recipe_id": refresh.parse_recipe_id,
                "digests": [item.content_hash for item, _ in parses],
                "formats": [item.format for item, _ in parses],
                "titles": [parsed.title for _, parsed in parses],
                "texts": [parsed.text for _, parsed in parses],
                "elements": [parsed.elements for _, parsed in parses],
                "pages": [parsed.pages for _, parsed in parses],
                "languages": [parsed.language for _, parsed in parses],
                "properties": [parsed.properties for _, parsed in parses],
                "attachments": [parsed.attachments for _, parsed in parses],
                "counters": [json.dumps(parsed.counters) for _, parsed in parses],
            },
        )
        failpoints.reach("elements.writing")
    failpoints.reach("elements.written")


def _quarantine(refresh: Refresh, outcomes: list[Outcome], report: StageReport) -> None:
    """Hold documents back; one that changed under our hands is left for the next refresh instead."""
    rows = []
    for outcome in outcomes:
        reason = outcome.detail if outcome.failure == "refused" else FAILURES[outcome.failure or "error"]
        report.quarantined[reason] = report.quarantined.get(reason, 0) + 1
        if reason != "changed_while_reading":
            rows.append((outcome.key, reason, outcome.detail))
    if rows:
        with refresh.writing():
            refresh.session.execute(
                "elements/quarantine_content",
                {
                    "collection_id": refresh.collection_id,
                    "recipe_id": refresh.parse_recipe_id,
                    "stage": "elements",
                    "digests": [item.content_hash for item, _, _ in rows],
                    "formats": [item.format for item, _, _ in rows],
                    "reasons": [reason for _, reason, _ in rows],
                    "details": [detail for _, _, detail in rows],
                },
            )
