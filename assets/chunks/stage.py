"""The chunks stage: cut every parse that was not cut under the declared recipe."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from assets.chunks.chunking import Chunk, chunk
from assets.chunks.limits import MARKS, counter, exceeds
from assets.elements.document import Element
from assets.refresh import Cutting, Growth, Refresh, StageReport
from resources import failpoints
from resources.errors import ConfigurationError
from resources.postgres import Session
from resources.tokenizers import load_tokenizer

WRITE_CHUNKS = 2000


@dataclass(frozen=True)
class Unchunked:
    """A parse that waits to be cut.

    Attributes:
        elements_id: its number.
        text: the document's text.
        elements: spans of it, as stored.
    """

    elements_id: int
    text: str
    elements: list[dict[str, Any]]


@dataclass(frozen=True)
class Cut:
    """A parse and its chunks.

    Attributes:
        elements_id: the parse.
        chunks: in order.
        failure: the exception that kept it from being cut, and where it arose; empty where all went well.
    """

    elements_id: int
    chunks: list[Chunk]
    failure: str = ""


def run(refresh: Refresh) -> StageReport:
    """Cut the parses of a collection that were not cut yet.

    Raises:
        ConfigurationError: the declared size does not fit the model.
    """
    report = StageReport("chunks")
    if refresh.converged:
        return report
    _fits(refresh)
    tally: Counter[str] = Counter(documents=0, chunks=0, tokens=0)
    growth = Growth()
    with refresh.bench.database.connect() as reader:
        waiting = reader.stream(Unchunked, "chunks/read_unchunked", refresh.params, batch=50)
        if refresh.cutting.limits:
            waiting = chain(waiting, _too_long(refresh))
        for batch in _batches(_cut(refresh, waiting)):
            whole = [cut for cut in batch if not cut.failure]
            _store(refresh, whole)
            _quarantine(refresh, [cut for cut in batch if cut.failure], report)
            growth.add(refresh.session, len(batch))
            tally["documents"] += len(whole)
            tally["chunks"] += sum(len(cut.chunks) for cut in whole)
            tally["tokens"] += sum(piece.tokens for cut in whole for piece in cut.chunks)
            refresh.bench.progress("chunks", tally["documents"], None)
    held = sum(report.quarantined.values())
    report.counts = {**tally, **({"quarantined": held} if held else {})}
    report.changed = bool(tally["documents"] or held)
    return report


def _fits(refresh: Refresh) -> None:
    """Make sure that the declared size fits the model whose tokens count.

    Raises:
        ConfigurationError: it does not.
    """
    if refresh.cutting.remembered:
        return
    live = next((space.name for space in refresh.spaces() if space.live), refresh.bench.first_space)
    limit, declared = refresh.bench.space(live).token_limit, refresh.cutting.settings.max_tokens
    if declared > limit - MARKS:
        raise ConfigurationError(
            f"chunking.max_tokens of {refresh.name} is {declared}, but the model of space {live} reads {limit} tokens "
            f"with its marks; set it to at most {limit - MARKS}."
        )


@dataclass(frozen=True)
class _Piece:
    elements_id: int
    text: str


def _too_long(refresh: Refresh) -> Iterator[Unchunked]:
    """Yield the parses one of whose chunks is longer than a kept space reads: they are cut again, all others stay."""
    limits = refresh.cutting.limits
    params = refresh.params | {"recipe_id": refresh.chunk_recipe_id, "bytes": min(limits.values()) - 2}
    with refresh.bench.database.connect() as reader:
        long: set[int] = set()
        for piece in reader.stream(_Piece, "chunks/read_long_chunks", params, batch=200):
            if piece.elements_id not in long and exceeds(piece.text, limits):
                long.add(piece.elements_id)
        yield from reader.stream(Unchunked, "chunks/read_parses", {"elements_ids": sorted(long)}, batch=50)


def cutter(cutting: Cutting) -> Callable[[Unchunked], list[Chunk]]:
    """Return a function that cuts a parse; the tokenizers are loaded here, so that their absence is nobody's document.

    Args:
        cutting: whose tokens count, and what else bounds a chunk.
    """
    count = counter(cutting.tokenizer, cutting.limits, cutting.settings.max_tokens)
    own = load_tokenizer(cutting.tokenizer).count

    def cut(item: Unchunked) -> list[Chunk]:
        pieces = chunk(item.text, [Element(**element) for element in item.elements], cutting.settings, count)
        if not cutting.limits:
            return pieces
        # What is kept and paid by is the true count, not the scaled one.
        return [replace(piece, tokens=own(piece.text)) for piece in pieces]

    return cut


def _cut(refresh: Refresh, waiting: Iterable[Unchunked]) -> Iterator[Cut]:
    """Cut parse by parse; one that cannot be cut costs itself alone."""
    cut_parse = cutter(refresh.cutting)
    for item in waiting:
        try:
            cut = Cut(item.elements_id, cut_parse(item))
        except Exception as error:  # Whatever it is, it is about this document.
            cut = Cut(item.elements_id, [], _place_of(error))
        yield cut


def _place_of(error: Exception) -> str:
    """Name an exception and where it arose; its message may hold text of the document."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def _batches(cuts: Iterable[Cut]) -> Iterator[list[Cut]]:
    batch: list[Cut] = []
    size = 0
    for cut in cuts:
        batch.append(cut)
        size += len(cut.chunks) + 1
        if size >= WRITE_CHUNKS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _quarantine(refresh: Refresh, batch: list[Cut], report: StageReport) -> None:
    if not batch:
        return
    with refresh.writing():
        held = refresh.session.execute(
            "chunks/quarantine_parses",
            {
                "collection_id": refresh.collection_id,
                "recipe_id": refresh.chunk_recipe_id,
                "reason": "chunk_error",
                "elements_ids": [cut.elements_id for cut in batch],
                "details": [cut.failure for cut in batch],
            },
        )
    report.quarantined["chunk_error"] = report.quarantined.get("chunk_error", 0) + held


def _keep_texts(session: Session, rows: list[tuple[int, int, Chunk, bytes]]) -> None:
    """Store texts that are new, and hold on to those that are not until the end of the transaction.

    A garbage collection may remove a text between the two statements, as long as no chunk names it; then it is
    stored again.
    """
    digests = [digest for _, _, _, digest in rows]
    params = {
        "digests": digests,
        "texts": [piece.text for _, _, piece, _ in rows],
        "tokens": [piece.tokens for _, _, piece, _ in rows],
    }
    distinct = len(set(digests))
    while True:
        session.execute("chunks/insert_texts", params)
        if session.execute("chunks/hold_texts", {"digests": digests}) == distinct:
            return


def _store(refresh: Refresh, batch: list[Cut]) -> None:
    session = refresh.session
    with refresh.writing():
        made = {
            row["elements_id"]: row["chunk_set_id"]
            for row in session.records(
                "chunks/insert_chunk_sets",
                {"recipe_id": refresh.chunk_recipe_id, "elements_ids": [cut.elements_id for cut in batch]},
            )
        }
        rows = [
            (made[cut.elements_id], ordinal, piece, hashlib.sha256(piece.text.encode()).digest())
            for cut in batch
            if cut.elements_id in made
            for ordinal, piece in enumerate(cut.chunks)
        ]
        if not rows:
            return
        hashes = [digest for _, _, _, digest in rows]
        _keep_texts(session, rows)
        session.execute(
            "chunks/insert_chunks",
            {
                "chunk_set_ids": [chunk_set for chunk_set, _, _, _ in rows],
                "ordinals": [ordinal for _, ordinal, _, _ in rows],
                "digests": hashes,
                "body_starts": [piece.body_start for _, _, piece, _ in rows],
                "starts": [piece.start for _, _, piece, _ in rows],
                "ends": [piece.end for _, _, piece, _ in rows],
                "pages": [json.dumps(piece.pages) for _, _, piece, _ in rows],
                "headings": [json.dumps(piece.heading_path) for _, _, piece, _ in rows],
                "leads": [piece.lead for _, _, piece, _ in rows],
                "htmls": [piece.html for _, _, piece, _ in rows],
                "flags": [json.dumps(piece.flags) for _, _, piece, _ in rows],
            },
        )
        session.execute("chunks/record_digests", {"chunk_set_ids": list(made.values())})
        failpoints.reach("chunks.writing")
    failpoints.reach("chunks.written")
