"""What a refresh would do, found by listing and hashing alone: nothing is parsed, sent or written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from assets.documents.gathering import Gatherer
from assets.documents.marks import read_marks
from assets.documents.scan import Comparison, Known, examine
from assets.elements.parsing import SUPPORTED
from assets.quality.asking import without_vector
from assets.quality.golden import read_golden
from assets.recipes import parse_recipe
from assets.refresh import cutting_of
from assets.vectors.spaces import KeptSpace, check_declared, read_kept
from assets.workbench import Workbench
from resources.postgres import Session
from resources.sources import Source
from resources.tokenizers import load_tokenizer

TOKENS_PER_KILOBYTE = {
    "md": 280.0, "txt": 280.0, "csv": 350.0, "html": 120.0, "eml": 200.0, "pdf": 15.0, "docx": 20.0, "xlsx": 40.0,
    "pptx": 8.0,
}  # fmt: skip
"""Of a format that the database has not seen yet: from the sample corpus, rounded up."""

OTHER_TOKENS_PER_KILOBYTE = 100.0
"""Of formats that the sample corpus has not: between text and what carries pictures."""

TOKENS_PER_CHUNK = 160


@dataclass
class Plan:
    """What a refresh of one collection would do.

    Attributes:
        collection: which.
        documents: by what would happen to them: new, changed, moved or copied, vanished, unsupported, unchanged.
        waiting: work that earlier refreshes left, by kind.
        texts: to be embedded, estimated where the document is not parsed yet.
        tokens: of those, estimated likewise.
        spaces: by name of each kept space, the same for it alone, and what that costs where its price is declared.
        reasons: sentences.
    """

    collection: str
    documents: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, int] = field(default_factory=dict)
    texts: int = 0
    tokens: int = 0
    spaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def make_plan(bench: Workbench, name: str) -> Plan:
    """Look at the source and the ledger of a collection.

    Raises:
        ConfigurationError: the source does not exist.
        SourceUnavailable: it could not be listed.
    """
    plan = Plan(name)
    with bench.database_as_it_is.connect() as session, bench.database_as_it_is.connect() as reader:
        rows = session.records("refresh/read_collection", {"name": name})
        collection_id = rows[0]["collection_id"] if rows else 0
        params = {"collection_id": collection_id}
        known = reader.stream(Known, "documents/read_known_documents", params)
        gatherer = Gatherer(bench, name)
        source = gatherer.source
        listing = read_marks(session, name, collection_id).passing(source.list(), Counter())
        comparison = Comparison(listing, known, gatherer.stamp)
        fresh = [_classify(session, source, difference, plan) for difference in comparison]
        plan.documents["unchanged"] += comparison.unchanged
        kept = read_kept(session, collection_id)
        check_declared(bench, kept)
        _estimate(session, [item for item in fresh if item], plan)
        _spread(bench, kept, plan)
        if rows:
            _add_waiting(session, params, kept, plan)
            _add_recipe_change(bench, session, rows[0], name, kept, plan)
        _add_golden(bench, session, name, kept, plan)
        _price(bench, plan)
    plan.reasons = [
        f"{count} {kind}" for kind, count in plan.documents.items() if count and kind != "unchanged"
    ] + plan.reasons
    return plan


def _classify(session: Session, source: Source, difference: Any, plan: Plan) -> tuple[str, int] | None:
    """Count a difference; returns the format and size of what would have to be parsed."""
    entry, known = difference.entry, difference.known
    if entry is None:
        plan.documents["vanished"] += 1
        return None
    if not difference.content:
        plan.documents["with other metadata"] += 1
        return None
    try:
        with source.open(entry.uri) as stream:
            content = examine(stream, entry.uri)
    except OSError:
        plan.documents["unreadable"] += 1
        return None
    if known is not None and not known.vanished:
        recorded = session.records("documents/read_contents", {"document_ids": [known.document_id]})
        if recorded and bytes(recorded[0]["content_hash"]) == content.digest:
            plan.documents["unchanged"] += 1
            return None
    if content.format not in SUPPORTED:
        plan.documents["unsupported"] += 1
        return None
    if session.records("status/has_content", {"digests": [content.digest]}):
        plan.documents["known content under another name"] += 1
        return None
    plan.documents["new" if known is None else "changed"] += 1
    return content.format, content.size


def _estimate(session: Session, fresh: list[tuple[str, int]], plan: Plan) -> None:
    rates = {row["format"]: row for row in session.records("status/read_sizes")}
    for kind, size in fresh:
        rate = rates.get(kind)
        guessed = TOKENS_PER_KILOBYTE.get(kind, OTHER_TOKENS_PER_KILOBYTE)
        tokens = size / 1000 * (rate["tokens_per_kilobyte"] if rate else guessed)
        plan.tokens += round(tokens)
        plan.texts += max(1, round(size / 1000 * rate["chunks_per_kilobyte"] if rate else tokens / TOKENS_PER_CHUNK))


def _spread(bench: Workbench, kept: list[KeptSpace], plan: Plan) -> None:
    """What is new is embedded once in every kept space."""
    names = [space.name for space in kept] or [bench.first_space]
    plan.spaces = {name: {"texts": plan.texts, "tokens": plan.tokens} for name in names}
    plan.texts, plan.tokens = plan.texts * len(names), plan.tokens * len(names)


def _price(bench: Workbench, plan: Plan) -> None:
    for name, figures in plan.spaces.items():
        declared = bench.space(name)
        price = declared.price_per_million_tokens
        figures["cost"] = None if price is None else round(figures["tokens"] * price / 1_000_000, 6)
        figures["currency"] = None if price is None else declared.currency


def _add_waiting(session: Session, params: dict[str, Any], kept: list[KeptSpace], plan: Plan) -> None:
    plan.waiting = session.record("status/count_waiting", params)
    for space in kept:
        gaps = session.record("vectors/count_unembedded", params | {"space_id": space.space_id}, vectors=space.table)
        kind = "unembedded texts" if space.demanded else f"texts to fill space {space.name}"
        plan.waiting[kind] = plan.waiting.get(kind, 0) + gaps["texts"]
        plan.texts += gaps["texts"]
        plan.tokens += gaps["tokens"]
        plan.spaces[space.name]["texts"] += gaps["texts"]
        plan.spaces[space.name]["tokens"] += gaps["tokens"]
    plan.reasons += [f"{count} {kind} left by an earlier refresh" for kind, count in plan.waiting.items() if count]


def _add_golden(bench: Workbench, session: Session, name: str, kept: list[KeptSpace], plan: Plan) -> None:
    """Count the golden questions that have no vector yet in a space that readers are shown."""
    golden = read_golden(bench.root, bench.collection(name), name)
    if golden is None:
        return
    demanded = {space.name: space for space in kept if space.demanded}
    waiting = {each: without_vector(session, golden, space) for each, space in demanded.items()}
    for each, questions in (waiting or {bench.first_space: list(golden.questions)}).items():
        tokenizer = load_tokenizer(bench.space(each).tokenizer)
        tokens = sum(tokenizer.count(item.question) for item in questions)
        figures = plan.spaces.setdefault(each, {"texts": 0, "tokens": 0})
        figures["texts"], figures["tokens"] = figures["texts"] + len(questions), figures["tokens"] + tokens
        plan.texts, plan.tokens = plan.texts + len(questions), plan.tokens + tokens
        if questions:
            plan.reasons.append(f"{len(questions)} golden questions to embed in space {each}")


def _add_recipe_change(
    bench: Workbench, session: Session, row: dict[str, Any], name: str, kept: list[KeptSpace], plan: Plan
) -> None:
    """Say when declared parameters changed: then everything is cut again, and what differs is paid for."""
    wanted = {
        "parse_recipe_id": parse_recipe().params(),
        "chunk_recipe_id": cutting_of(bench, name, kept, row["tokenizer"]).recipe.params(),
    }
    for column, recipe in wanted.items():
        declared = session.connection.execute(
            "SELECT declared FROM recipes WHERE recipe_id = %s", [row[column]]
        ).fetchone()
        if declared is not None and declared[0] != recipe["declared"]:
            plan.reasons.append(f"the declared {recipe['stage']} settings changed: every document is done again")
