"""The elements stage: parse what is new in isolated processes; quarantine what will not parse."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from assets.elements.parsing import REFUSED, SUPPORTED, Packed
from assets.refresh import Refresh, StageReport
from resources.parser_pool import Outcome, Task

WRITE_CHARACTERS = 2_000_000
WRITE_DOCUMENTS = 50
"""Parses gathered before they are written: a bound on memory and on what a crash costs."""


@dataclass(frozen=True)
class Unparsed:
    """Bytes without a parse.

    Attributes:
        content_hash: sha256 of the bytes.
        format: as detected.
        uri: one document that has them.
        size: bytes.
    """

    content_hash: bytes
    format: str
    uri: str
    size: int


def run(refresh: Refresh) -> StageReport:
    """Parse the contents of a collection that have no parse yet."""
    report = StageReport("elements")
    if refresh.converged:
        return report
    waiting = refresh.session.rows(Unparsed, "elements/read_unparsed", refresh.params)
    tally: Counter[str] = Counter()
    refused = [Outcome(item, failure="error", detail=REFUSED.get(item.format, "unsupported_format"))
               for item in waiting if item.format not in SUPPORTED]  # fmt: skip
    parseable = [item for item in waiting if item.format in SUPPORTED]
    _quarantine(refresh, refused, report)
    with ThreadPoolExecutor(1) as writer:  # The workers have their next file while the last ones are written.
        writing: Future[None] | None = None
        for batch in _batches(_parse(refresh, parseable)):
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, refresh, batch, tally, report)
        if writing is not None:
            writing.result()
    held = sum(report.quarantined.values())
    report.counts = {
        "parsed": tally["parsed"],
        "pages": tally["pages"],
        "characters": tally["characters"],
        "stripped": tally["stripped"],
        "deferred": report.quarantined.pop("changed_while_reading", 0),
        "quarantined": held - report.quarantined.get("changed_while_reading", 0),
    }
    report.changed = bool(waiting)
    return report


def _parse(refresh: Refresh, waiting: list[Unparsed]) -> Iterator[Outcome]:
    if not waiting:
        return
    source = refresh.bench.source(refresh.name)
    limits = refresh.settings.limits
    # Large files first: the last one to finish decides how long the stage takes.
    ordered = sorted(waiting, key=lambda item: item.size, reverse=True)
    with ExitStack() as fetched:
        held: dict[Unparsed, ExitStack] = {}

        def tasks() -> Iterator[Task]:
            for item in ordered:
                own = fetched.enter_context(ExitStack())
                try:
                    path = own.enter_context(source.fetch(item.uri))
                except OSError:
                    path = None
                held[item] = own
                yield Task(item, (str(path), item.format, item.content_hash))

        outcomes = refresh.bench.parser_pool.map(
            tasks(), seconds=limits.parse_seconds, memory_mb=limits.parse_memory_mb
        )
        for done, outcome in enumerate(outcomes, 1):
            held.pop(outcome.key).close()
            refresh.bench.progress("elements", done, len(ordered))
            yield outcome


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


def _write(refresh: Refresh, batch: list[Outcome], tally: Counter[str], report: StageReport) -> None:
    _store(refresh, [outcome for outcome in batch if outcome.failure is None], tally)
    _quarantine(refresh, [outcome for outcome in batch if outcome.failure is not None], report)


def _store(refresh: Refresh, outcomes: list[Outcome], tally: Counter[str]) -> None:
    if not outcomes:
        return
    parses: list[tuple[Unparsed, Packed]] = [(outcome.key, outcome.value) for outcome in outcomes]
    for _, parsed in parses:
        tally.update(parsed=1, pages=parsed.pages, characters=len(parsed.text), stripped=parsed.counters["stripped"])
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
                "properties": [json.dumps(parsed.properties) for _, parsed in parses],
                "counters": [json.dumps(parsed.counters) for _, parsed in parses],
            },
        )


_REASONS = {"timeout": "parse_timeout", "memory": "parse_memory", "crashed": "parser_crashed", "error": "parse_error"}


def _quarantine(refresh: Refresh, outcomes: list[Outcome], report: StageReport) -> None:
    """Hold documents back; one that changed under our hands is left for the next refresh instead."""
    rows = []
    for outcome in outcomes:
        known = outcome.detail in {*REFUSED.values(), "unknown_encoding", "changed_while_reading"}
        reason = outcome.detail if known else _REASONS[outcome.failure or "error"]
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
