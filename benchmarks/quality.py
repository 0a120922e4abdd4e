"""Search quality on labelled sets: nDCG@10 by document of each way to search, and recall of answers by chunk size.

    python benchmarks/quality.py --fixtures ../shared/fixtures

Every passage becomes a small Markdown file and goes through the whole product: parser, chunker, the bundled model,
audits, publish. Then each question is asked of the search functions. Nothing is set per set: what is measured is the
default search. The sets are not part of this repository. All state lies below `benchmarks/results/quality`, and a
second run embeds nothing.
"""

from __future__ import annotations

import argparse
import bisect
import hashlib
import json
import os
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytrec_eval

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path.insert(0, str(REPOSITORY))

from assets.engine import refresh_collection  # noqa: E402
from assets.settings import LOCAL_SPACE, LOCAL_SPACE_NAME, Chunking, Collection  # noqa: E402
from assets.workbench import Doors, Workbench  # noqa: E402
from resources.local_stack import LocalStack  # noqa: E402
from resources.postgres import Session  # noqa: E402

RESULTS = HERE / "results" / "quality"
PAGE = REPOSITORY / "docs" / "quality.md"
MARKS = ("<!-- figures -->", "<!-- end of figures -->")

WAYS = ("semantic", "lexical", "hybrid")
K = 10
PASSAGES = 50
"""Asked for, so that ten documents are among them where long ones have several passages."""

MEASURE = "ndcg_cut_10"
ALLOWED = 0.005
"""How far hybrid may stay below the better of its legs."""

SPANS = "chunking-spans"
SIZES = (128, 256, 384)
TOP = 5
OLD = 1_700_000_000

_ARGUMENTS = {
    "semantic": "%(embedding)s::vector",
    "lexical": "%(words)s",
    "hybrid": "%(embedding)s::vector, %(words)s",
}
ASKED = {
    way: f"SELECT uri, score, text, span FROM search.{way}(%(space)s, {arguments}, %(k)s, %(filter)s) ORDER BY rank"
    for way, arguments in _ARGUMENTS.items()
}


@dataclass(frozen=True)
class Direction:
    """Questions and passages that are scored together.

    Attributes:
        folder: of the labelled set.
        to_reach: the figure that is aimed at.
        asked: how the ids of its questions begin.
        lang: language of the passages, and the filter; empty for a set of one language.
    """

    folder: str
    to_reach: float
    asked: str = ""
    lang: str = ""

    @property
    def name(self) -> str:
        """What the table calls it."""
        if not self.lang:
            return self.folder
        return f"{self.folder}, {self.asked.removesuffix('q:')} to {self.lang}"


DIRECTIONS = (
    Direction("jsquad-valid", 0.945),
    Direction("xquad-en", 0.988),
    Direction("clapnq-dev", 0.983),
    Direction("debfaq-enja", 0.75, "enq:", "en"),
    Direction("debfaq-enja", 0.77, "jaq:", "ja"),
    Direction("debfaq-enja", 0.685, "enq:", "ja"),
    Direction("debfaq-enja", 0.665, "jaq:", "en"),
)


@dataclass(frozen=True)
class LabelledSet:
    """Passages, questions, and which answers which.

    Attributes:
        folder: with corpus.jsonl, queries.jsonl and qrels.tsv.
    """

    folder: Path

    @property
    def collection(self) -> str:
        """Name of its collection."""
        return self.folder.name.replace("-", "_")

    @cached_property
    def passages(self) -> list[dict[str, str]]:
        """Rows of id, title and text."""
        return _rows(self.folder / "corpus.jsonl")

    @cached_property
    def uris(self) -> dict[str, str]:
        """Of the passages, by id; the first folder is the language, where ids tell it."""
        uris = {}
        for number, passage in enumerate(self.passages):
            lang, mark, _ = passage["id"].partition(":")
            uris[passage["id"]] = f"{lang if mark else 'all'}/{number:05d}.md"
        return uris

    @cached_property
    def questions(self) -> dict[str, str]:
        """Texts by id."""
        return {row["id"]: row["text"] for row in _rows(self.folder / "queries.jsonl")}

    @cached_property
    def answers(self) -> dict[str, dict[str, int]]:
        """Grades of the uris that answer, by question."""
        graded: dict[str, dict[str, int]] = defaultdict(dict)
        for line in (self.folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            question, passage, grade = line.split("\t")
            graded[question][self.uris[passage]] = int(grade)
        return graded

    def write(self, folder: Path) -> None:
        """Write the passages as Markdown files, each once."""
        for passage in self.passages:
            heading = f"# {passage['title']}\n\n" if passage["title"] else ""
            write_once(folder / self.uris[passage["id"]], f"{heading}{passage['text']}\n")

    def graded(self, direction: Direction) -> dict[str, dict[str, int]]:
        """Return what is relevant in a direction: its questions that have an answer in its language."""
        found = {}
        for question, grades in self.answers.items():
            inside = {uri: grade for uri, grade in grades.items() if uri.startswith(f"{direction.lang or 'all'}/")}
            if question.startswith(direction.asked) and inside:
                found[question] = inside
        return found


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_once(path: Path, content: str) -> None:
    """Write a file that is old enough for its stamp to be trusted, unless it is there already."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        os.utime(path, (OLD, OLD))


@dataclass
class Product:
    """The whole of Suimon on a state folder of its own, and vectors of questions that are kept.

    Attributes:
        bench: settings and doors.
    """

    bench: Workbench
    _kept: dict[str, list[float]] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def refresh(self, names: Sequence[str]) -> None:
        """Publish collections."""
        for name in names:
            started = time.perf_counter()
            summary = refresh_collection(self.bench, name, f"quality-{uuid.uuid4().hex}")
            counts = summary.reports["vectors"].counts
            print(f"{name}: {time.perf_counter() - started:.0f} s, vectors {dict(counts)}", file=sys.stderr, flush=True)

    def embed(self, questions: Sequence[str]) -> None:
        """Embed the questions that have no vector yet, with the prefix of questions."""
        kept = RESULTS / f"questions-{LOCAL_SPACE.query_model}.json"
        if kept.exists() and not self._kept:
            self._kept = json.loads(kept.read_text(encoding="ascii"))
        missing = [text for text in dict.fromkeys(questions) if _key(text) not in self._kept]
        for first in range(0, len(missing), LOCAL_SPACE.max_inputs):
            batch = missing[first : first + LOCAL_SPACE.max_inputs]
            for text, vector in zip(batch, self._vectors(batch), strict=True):
                self._kept[_key(text)] = [round(value, 7) for value in np.asarray(vector, dtype=float).tolist()]
        if missing:
            kept.write_text(json.dumps(self._kept), encoding="ascii")

    def _vectors(self, texts: list[str]) -> Any:
        model = LOCAL_SPACE.query_model or LOCAL_SPACE.model
        return self.bench.endpoint_of(LOCAL_SPACE_NAME).run(lambda endpoint: endpoint.embed(texts, model)).vectors

    def ask(self, way: str, words: str, k: int, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the passages that a reader gets for a question, best first."""
        params = {
            "space": LOCAL_SPACE_NAME, "words": words, "k": k, "filter": json.dumps(wanted),
            "embedding": json.dumps(self._kept[_key(words)]),
        }  # fmt: skip
        cursor = self._reader.connection.execute(ASKED[way].encode(), params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @cached_property
    def _reader(self) -> Session:
        return self._open.enter_context(self.bench.database.connect(role="reader"))

    def close(self) -> None:
        """End the session and what was started."""
        self._open.close()
        self.bench.close()


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_product(sets: Sequence[LabelledSet], spans: Path, max_tokens: int) -> tuple[Product, LocalStack]:
    """Declare a collection a set, and one a chunk size for the long documents; start what is embedded."""
    languages = {"fields": {"lang": {}}, "path": "{lang}/*"}
    collections = {
        one.collection: {"source": str(RESULTS / "documents" / one.folder.name), "metadata": languages,
                         "chunking": {"max_tokens": max_tokens}}
        for one in sets
    }  # fmt: skip
    for size in SIZES:
        cut = {"max_tokens": size, "min_tokens": min(48, size // 4)}
        collections[f"spans_{size}"] = {"source": str(spans / "documents"), "chunking": cut}
    stack = LocalStack(RESULTS / "state")
    bench = Workbench(
        collections={name: Collection.model_validate(declared) for name, declared in collections.items()},
        spaces={LOCAL_SPACE_NAME: LOCAL_SPACE},
        root=RESULTS,
        doors=Doors(database_url=lambda: stack.postgres_url("quality"), embedding_url=stack.embedding_url),
        state_folder=RESULTS / "state",
    )
    return Product(bench), stack


def rank(product: Product, labelled: LabelledSet, direction: Direction, way: str) -> dict[str, dict[str, float]]:
    """Ask every question of a direction; gives the scores of documents, a document's being its best passage's."""
    wanted = {"collection": labelled.collection} | ({"lang": direction.lang} if direction.lang else {})
    ranked = {}
    for question in labelled.graded(direction):
        best: dict[str, float] = {}
        for row in product.ask(way, labelled.questions[question], PASSAGES, wanted):
            best.setdefault(row["uri"], float(row["score"]))
        ranked[question] = dict(list(best.items())[:K])
    return ranked


def score(graded: dict[str, dict[str, int]], ranked: dict[str, dict[str, float]]) -> float:
    """Return nDCG@10, the mean over all questions; one to which nothing was found counts as 0."""
    evaluator = pytrec_eval.RelevanceEvaluator(graded, {MEASURE})
    results = evaluator.evaluate({question: found for question, found in ranked.items() if found})
    return sum(result[MEASURE] for result in results.values()) / len(graded)


@dataclass(frozen=True)
class Answer:
    """Where a question is answered.

    Attributes:
        uri: the document.
        question: its words.
        places: first and last-but-one of the characters other than white space, by answering span.
    """

    uri: str
    question: str
    places: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Characters that answer."""
        return len(self._characters)

    @cached_property
    def _characters(self) -> set[int]:
        return {place for first, end in self.places for place in range(first, end)}

    def covered(self, spans: Sequence[tuple[int, int]]) -> int:
        """Count the answering characters that lie in spans of the same document."""
        return len({place for place in self._characters if any(first <= place < end for first, end in spans)})


class Squeezed:
    """A text without its white space, so that places in two versions of it can be compared."""

    def __init__(self, text: str) -> None:
        """Remember where each character was."""
        self.places = [place for place, character in enumerate(text) if not character.isspace()]
        self.text = "".join(text[place] for place in self.places)

    def place(self, original: int) -> int:
        """Return how many characters stand before a place of the text."""
        return bisect.bisect_left(self.places, original)

    def find(self, content: str, near: int) -> tuple[int, int] | None:
        """Return where a passage stands: of several places the nearest to one."""
        wanted = "".join(content.split())
        found, at = [], self.text.find(wanted)
        while at >= 0:
            found.append(at)
            at = self.text.find(wanted, at + 1)
        best = min(found, key=lambda place: abs(place - near), default=None)
        return None if best is None else (best, best + len(wanted))


def read_answers(spans: Path, texts: Mapping[str, Squeezed]) -> Iterator[Answer]:
    """Read the questions about long documents; a span that the parser's text does not hold is left out."""
    originals = {uri: Squeezed((spans / "documents" / uri).read_text(encoding="utf-8")) for uri in texts}
    for row in _rows(spans / "queries.jsonl"):
        uri = row["document"]
        found = [texts[uri].find(one["content"], originals[uri].place(one["start"])) for one in row["spans"]]
        places = tuple(place for place in found if place)
        if places:
            yield Answer(uri, row["text"], places)


def recall_answers(product: Product, spans: Path, size: int) -> dict[str, Any]:
    """Return, for one chunk size, the share of answering characters among the top passages, by way."""
    texts = {uri: Squeezed(text) for uri, text in _document_texts(product, f"spans_{size}").items()}
    answers = list(read_answers(spans, texts))
    product.embed([answer.question for answer in answers])
    figures: dict[str, Any] = {"questions": len(answers)}
    for way in WAYS:
        shares, characters = [], 0
        for answer in answers:
            rows = product.ask(way, answer.question, TOP, {"collection": f"spans_{size}"})
            text = texts[answer.uri]
            inside = [
                (text.place(row["span"].lower), text.place(row["span"].upper))
                for row in rows
                if row["uri"] == answer.uri
            ]
            shares.append(answer.covered(inside) / answer.size)
            characters += sum(len(row["text"]) for row in rows)
        figures[way] = sum(shares) / len(shares)
        figures[f"{way} characters"] = characters / len(answers)
    return figures


def _document_texts(product: Product, collection: str) -> dict[str, str]:
    query = b"""
        SELECT h.uri, e.text FROM corpus.heads AS h
        INNER JOIN corpus.chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
        INNER JOIN corpus.elements AS e ON s.elements_id = e.elements_id
        WHERE h.collection = %s"""
    with product.bench.database.connect() as session:
        return dict(session.connection.execute(query, [collection]).fetchall())


def table_of_directions(figures: Mapping[Direction, Mapping[str, float]]) -> list[str]:
    """Write the figures of the labelled sets as a Markdown table."""
    lines = ["| set | semantic | lexical | hybrid | to reach | above the better leg |", "|---|---|---|---|---|---|"]
    for direction, by_way in figures.items():
        gain = by_way["hybrid"] - max(by_way["semantic"], by_way["lexical"])
        cells = [f"{by_way[way]:.3f}" for way in WAYS]
        lines.append(f"| {direction.name} | {' | '.join(cells)} | {direction.to_reach:.3f} | {gain:+.3f} |")
    return lines


def table_of_sizes(figures: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Write the figures of the chunk sizes as a Markdown table."""
    lines = ["| tokens a chunk | semantic | lexical | hybrid | characters read (hybrid) |", "|---|---|---|---|---|"]
    for size, found in figures.items():
        cells = [f"{found[way]:.3f}" for way in WAYS]
        lines.append(f"| {size} | {' | '.join(cells)} | {found['hybrid characters']:,.0f} |")
    return lines


def put_between_marks(page: Path, lines: Sequence[str]) -> None:
    """Put the figures between the marks of a page, which is made if it is absent."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"# Search quality\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, mark, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (mark and end):
        sys.exit(f"{page} has no marks {MARKS[0]} and {MARKS[1]}, between which the figures would stand.")
    page.write_text(before + "\n".join([mark, *lines, end]) + after, encoding="utf-8")


def measure(product: Product, sets: Mapping[str, LabelledSet]) -> dict[Direction, dict[str, float]]:
    """Return nDCG@10 by direction and way."""
    figures: dict[Direction, dict[str, float]] = {}
    for direction in DIRECTIONS:
        labelled = sets[direction.folder]
        graded = labelled.graded(direction)
        figures[direction] = {way: score(graded, rank(product, labelled, direction, way)) for way in WAYS}
        cells = ", ".join(f"{way} {value:.3f}" for way, value in figures[direction].items())
        print(f"{direction.name} ({len(graded)} questions): {cells}", file=sys.stderr, flush=True)
    return figures


def main() -> int:
    """Publish, ask, print the tables; 1 if hybrid stays below one of its legs by more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    beside = REPOSITORY.parent / "shared" / "fixtures"
    parser.add_argument("--fixtures", type=Path, default=beside, help="the folder with retrieval/")
    parser.add_argument("--max-tokens", type=int, default=Chunking.model_validate({}).max_tokens)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.relative_to(REPOSITORY)}")
    options = parser.parse_args()
    retrieval = options.fixtures.resolve() / "retrieval"
    if not retrieval.is_dir():
        sys.exit(f"There is no {retrieval}; name the folder with --fixtures.")
    sets = {name: LabelledSet(retrieval / name) for name in dict.fromkeys(one.folder for one in DIRECTIONS)}
    for labelled in sets.values():
        labelled.write(RESULTS / "documents" / labelled.folder.name)
    product, stack = make_product(list(sets.values()), retrieval / SPANS, options.max_tokens)
    try:
        product.refresh(list(product.bench.collections))
        product.embed([text for labelled in sets.values() for text in labelled.questions.values()])
        directions = measure(product, sets)
        sizes = {size: recall_answers(product, retrieval / SPANS, size) for size in SIZES}
    finally:
        product.close()
        stack.stop()
    lines = [
        f"nDCG@{K} by document, chunks of at most {options.max_tokens} tokens:",
        "",
        *table_of_directions(directions),
        "",
        f"Recall of the answering characters among the top {TOP} passages, {sizes[SIZES[0]]['questions']} questions:",
        "",
        *table_of_sizes(sizes),
    ]
    print("\n".join(lines))
    (RESULTS / "figures.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if options.write:
        put_between_marks(PAGE, lines)
    worst = min(one["hybrid"] - max(one["semantic"], one["lexical"]) for one in directions.values())
    return int(worst < -ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
