"""The chunks stage: cut every parse that was not cut under the declared recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from assets.chunks.chunking import Chunk, chunk
from assets.elements.parsing import Element
from assets.refresh import Growth, Refresh, StageReport
from resources.errors import ConfigurationError

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
    """A parse and its chunks."""

    elements_id: int
    chunks: list[Chunk]


def run(refresh: Refresh) -> StageReport:
    """Cut the parses of a collection that were not cut yet.

    Raises:
        ConfigurationError: the declared size does not fit the model.
    """
    report = StageReport("chunks")
    if refresh.converged:
        return report
    settings, space = refresh.settings.chunking, refresh.bench.space
    if settings.max_tokens > space.token_limit - 8:
        raise ConfigurationError(
            f"chunking.max_tokens of {refresh.name} is {settings.max_tokens}, but the model of space "
            f"{refresh.bench.space_name} reads {space.token_limit} tokens with its marks; set it to at most "
            f"{space.token_limit - 8}."
        )
    documents = chunks = tokens = 0
    growth = Growth()
    with refresh.bench.database.connect() as reader:
        waiting = reader.stream(Unchunked, "chunks/read_unchunked", refresh.params, batch=50)
        for batch in _batches(_cut(refresh, waiting)):
            _store(refresh, batch)
            growth.add(refresh.session, len(batch))
            documents += len(batch)
            chunks += sum(len(cut.chunks) for cut in batch)
            tokens += sum(piece.tokens for cut in batch for piece in cut.chunks)
            refresh.bench.progress("chunks", documents, None)
    report.counts = {"documents": documents, "chunks": chunks, "tokens": tokens}
    report.changed = documents > 0
    return report


def _cut(refresh: Refresh, waiting: Iterable[Unchunked]) -> Iterator[Cut]:
    tokenizer = refresh.bench.tokenizer
    for item in waiting:
        elements = [Element(**element) for element in item.elements]
        yield Cut(item.elements_id, chunk(item.text, elements, refresh.settings.chunking, tokenizer.count))


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
        session.execute(
            "chunks/insert_texts",
            {
                "digests": hashes,
                "texts": [piece.text for _, _, piece, _ in rows],
                "tokens": [piece.tokens for _, _, piece, _ in rows],
            },
        )
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
            },
        )
