"""Running a stage's suite: measure, quarantine what a finding names, record what passed, say what blocks.

Great Expectations counts; the rows behind a count are found in SQL by the same bounds. A stage with
nothing unaudited runs nothing and loads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import ClientCursor
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Identifier, Literal

import sql
from assets.auditing import expectations
from assets.auditing.suite import Audit, AuditResult, Suite
from assets.refresh import Refresh
from assets.vectors.spaces import KnownSpace
from resources.errors import TransientError
from resources.postgres import Session, unavailable

KEPT_REPORTS = 50
LIMITS = {"quarantined_documents", "quarantined_share", "growth_documents", "growth_share"}
"""Limits of a collection that a batch compares by itself, because two of them belong together."""


def suite_id(session: Session, suite: Suite) -> int:
    """Return the number of a suite's present rules."""
    details = json.dumps([{"name": audit.name, "max": audit.maximum, "min": audit.minimum} for audit in suite.audits])
    params = {"stage": suite.stage, "digest": suite.digest, "details": details}
    return int(session.value("auditing/declare_suite", params))


def run_suite(
    refresh: Refresh, suite: Suite, space: KnownSpace | None = None, *, unasked: Collection[str] = ()
) -> list[AuditResult]:
    """Audit what has no recorded pass.

    Args:
        refresh: the refresh under way.
        suite: what is asked.
        space: whose vectors are looked at, where any are.
        unasked: names of audits that are left out this time; what passes the others has passed.

    Raises:
        PermanentError: an audit could not be run.
    """
    number = suite_id(refresh.session, suite)
    asked = [audit for audit in suite.audits if audit.name not in unasked]
    limits = refresh.settings.limits.model_dump(include=LIMITS)
    params = refresh.params | limits | {"suite_id": number}
    # A query asset must begin with SELECT, and our files begin with a comment.
    batches = {
        name: f"SELECT * FROM (\n{_finish(refresh, f'auditing/{name}', params, space)}\n) AS batch"  # noqa: S608  # Bound.
        for name in dict.fromkeys(audit.batch for audit in asked)
    }
    rows = {name: _count(refresh.session, query) for name, query in batches.items()}
    filled = {name: query for name, query in batches.items() if rows[name]}
    if not filled:
        return [AuditResult(audit) for audit in asked]
    report = _report_folder(refresh, suite.stage if space is None or space.live else f"{suite.stage}_{space.name}")
    url = expectations.sqlalchemy_url(refresh.bench.database, refresh.session)
    audits = [audit for audit in asked if audit.batch in filled]
    with _sentences(report):
        measured = expectations.measure(url, f"{refresh.name} {suite.stage}", filled, audits, report)
    results = []
    for audit in asked:
        seen = measured.get(audit.name, expectations.Measured(0, 0))
        held = (
            _hold_back(refresh, audit, filled[audit.batch]) if seen.unexpected and audit.finding == "quarantine" else 0
        )
        results.append(AuditResult(audit, seen.rows, seen.unexpected, held, str(report / "index.html")))
    blocked = any(result.blocks for result in results)
    _write(refresh, suite.undo if blocked else suite.passes, params, space)
    return results


@contextmanager
def _sentences(report: Path) -> Iterator[None]:
    """Say in a sentence that the database went away, or that there is no room for the report."""
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except OperationalError as error:
        if isinstance(error.orig, psycopg.Error):
            raise unavailable(error.orig) from None
        raise
    except OSError as error:
        raise TransientError(
            f"The report of the audits could not be written to {report} ({error.strerror}): make room there, then "
            "refresh again."
        ) from None


def _finish(refresh: Refresh, name: str, params: dict[str, Any], space: KnownSpace | None) -> str:
    """Bind a batch's values into its text: Great Expectations takes finished queries only."""
    further = {"vectors": space.table, "audited_vectors": f"audited_{space.table}"} if space else {}
    text = sql.query(name)
    needed = {key: value for key, value in further.items() if "{" + key + "}" in text}
    values = params | {"space_id": space.space_id if space else None}
    cursor = ClientCursor(refresh.session.connection)
    return cursor.mogrify(refresh.session.compose(text, **needed), values)


def _count(session: Session, query: str) -> int:
    text = SQL("SELECT count(*) FROM ({batch}) AS batch").format(batch=SQL(query))
    row = session.connection.execute(text).fetchone()
    return int(row[0]) if row else 0


def _outside(audit: Audit) -> Composable:
    """Write an audit's bounds as the condition that finds the rows outside them."""
    column = Identifier(audit.column)
    bounds: list[Composable] = []
    if audit.minimum is not None:
        bounds.append(SQL("{column} < {bound}").format(column=column, bound=Literal(audit.minimum)))
    if audit.maximum is not None:
        bounds.append(SQL("{column} > {bound}").format(column=column, bound=Literal(audit.maximum)))
    return SQL(" OR ").join(bounds)


def _hold_back(refresh: Refresh, audit: Audit, query: str) -> int:
    text = SQL("SELECT document_id FROM ({batch}) AS batch WHERE {outside}").format(
        batch=SQL(query), outside=_outside(audit)
    )
    with refresh.session.connection.cursor(row_factory=dict_row) as cursor:
        found = [row["document_id"] for row in cursor.execute(text).fetchall()]
    with refresh.writing():
        return refresh.session.execute(
            "auditing/quarantine_documents",
            {
                "document_ids": found,
                "stage": f"{audit.batch} audit",
                "reason": audit.reason,
                "detail": audit.name,
                "recipe_id": refresh.parse_recipe_id if "elements" in audit.batch else refresh.chunk_recipe_id,
            },
        )


def _write(refresh: Refresh, name: str | None, params: dict[str, Any], space: KnownSpace | None) -> None:
    """Record what passed, or take back what did not."""
    if name is None:
        return
    with refresh.writing():
        refresh.session.connection.execute(_finish(refresh, f"auditing/{name}", params, space))


def _report_folder(refresh: Refresh, stage: str) -> Path:
    root = refresh.bench.state_folder.resolve() / "data_docs"
    root.mkdir(parents=True, exist_ok=True)
    _forget_old_reports(root)
    return root / refresh.run_id / stage


def _forget_old_reports(root: Path) -> None:
    import shutil

    runs = sorted(root.iterdir(), key=lambda folder: folder.stat().st_mtime)
    for folder in runs[:-KEPT_REPORTS]:
        shutil.rmtree(folder, ignore_errors=True)
