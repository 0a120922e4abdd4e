"""What would become of a file: parsed in isolation and cut, without a database or an endpoint."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from assets.chunks.chunking import Chunk, chunk
from assets.documents.detection import STATES, named_format
from assets.documents.scan import examine
from assets.elements.document import Element
from assets.elements.parsing import REFUSED, Packed, modules_for
from assets.elements.reasons import FAILURES, REASONS
from assets.settings import Chunking, Limits
from resources.errors import ConfigurationError
from resources.parser_pool import Outcome, ParserPool, Task
from resources.tokenizers import Tokenizer

ENTRY = "assets.elements.parsing:parse_packed"
PRELOAD = ("assets.elements.preload",)


class Refused(ConfigurationError):
    """A file that a refresh would put into quarantine.

    Attributes:
        reason: the code of docs/quarantine.md.
    """

    def __init__(self, name: str, reason: str, detail: str = "") -> None:
        """Say why in a sentence."""
        why = REASONS.get(reason, "it cannot be read")
        where = f" [{detail}]" if detail and detail != reason else ""
        super().__init__(f"{name} would be quarantined ({reason}): {why}.{where}")
        self.reason = reason


@dataclass(frozen=True)
class Preview:
    """What became of a file.

    Attributes:
        name: of the file.
        format: as its content says.
        misnamed_as: the format that its name promises, where that is another.
        size: bytes.
        text: the document's text.
        elements: spans of it.
        chunks: as they would be embedded.
        title: as readers would see it.
        language: ISO 639-1, `und` where nothing can be told.
        pages: how many; 0 where the format has none.
        counters: what was cleaned, kept out or mended.
        properties: what the document says of itself.
        attachments: names of the files inside.
        parse_seconds: in the parser process.
        cut_seconds: for cutting.
        peak_mb: most memory of the parser process, in MiB.
    """

    name: str
    format: str
    misnamed_as: str | None
    size: int
    text: str
    elements: list[Element]
    chunks: list[Chunk]
    title: str | None
    language: str
    pages: int
    counters: dict[str, int]
    properties: dict[str, Any]
    attachments: list[str]
    parse_seconds: float
    cut_seconds: float
    peak_mb: int
    settings: Chunking = field(repr=False)

    def heading_path(self, place: int) -> str:
        """Return the headings above a chunk in one line."""
        return " > ".join(self.chunks[place].heading_path)

    def excerpt(self, place: int) -> str:
        """Return what a chunk shows."""
        return self.chunks[place].text[self.chunks[place].body_start :]


def preview(path: Path, chunking: Chunking, limits: Limits, tokenizer: Tokenizer) -> Preview:
    """Parse a file as a refresh would, and cut it.

    Args:
        path: of the file.
        chunking: how it is cut.
        limits: of a parser process.
        tokenizer: whose tokens count.

    Raises:
        ConfigurationError: there is no such file.
        Refused: a refresh would hold it back.
    """
    try:
        with path.open("rb") as stream:
            content = examine(stream, path.name)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); name a file.") from None
    if content.format in STATES:
        raise Refused(path.name, REFUSED[content.format])
    outcome = _parse(path, content.format, content.digest, limits)
    if outcome.failure is not None:
        raise Refused(
            path.name, outcome.detail if outcome.failure == "refused" else FAILURES[outcome.failure], outcome.detail
        )
    packed: Packed = outcome.value
    if not packed.text:
        raise Refused(path.name, "no_text")
    elements = [Element(**element) for element in json.loads(packed.elements)]
    started = time.perf_counter()
    chunks = chunk(packed.text, elements, chunking, tokenizer.count)
    promised = named_format(path.name)
    return Preview(
        name=path.name,
        format=content.format,
        misnamed_as=promised if promised not in {None, content.format} else None,
        size=content.size,
        text=packed.text,
        elements=elements,
        chunks=chunks,
        title=packed.title,
        language=packed.language,
        pages=packed.pages,
        counters={name: count for name, count in packed.counters.items() if count},
        properties=json.loads(packed.properties),
        attachments=[item["name"] for item in json.loads(packed.attachments)],
        parse_seconds=outcome.seconds,
        cut_seconds=time.perf_counter() - started,
        peak_mb=outcome.peak_mb,
        settings=chunking,
    )


def _parse(path: Path, format: str, digest: bytes, limits: Limits) -> Outcome:  # noqa: A002
    pool = ParserPool(ENTRY, preload=PRELOAD, processes=1)
    try:
        pool.warm(modules_for([format]))
        task = Task(path.name, (str(path.resolve()), format, digest))
        (outcome,) = pool.map([task], seconds=limits.parse_seconds, memory_mb=limits.parse_memory_mb)
        return outcome
    finally:
        pool.close()


def page_of(shown: Preview) -> str:
    """Write a page that shows a document's text with its chunks in colour."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True
    )
    return environment.get_template("preview.html").render(shown=shown, pieces=_pieces(shown))


@dataclass(frozen=True)
class _Piece:
    """A run of the document's text that belongs to one chunk, or to none."""

    text: str
    chunk: int | None
    overlaps: bool


def _pieces(shown: Preview) -> list[_Piece]:
    """Cut the document's text where a chunk begins or ends; where two overlap, the later one has it."""
    edges = sorted({0, len(shown.text)} | {edge for each in shown.chunks for edge in (each.start, each.end)})
    found = []
    first = 0
    for start, end in pairwise(edges):
        while first < len(shown.chunks) and shown.chunks[first].end <= start:
            first += 1
        holders = []
        for place in range(first, len(shown.chunks)):
            if shown.chunks[place].start > start:
                break
            if shown.chunks[place].end > start:
                holders.append(place)
        found.append(_Piece(shown.text[start:end], holders[-1] if holders else None, len(holders) > 1))
    return found
