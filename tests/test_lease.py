"""Leases: one refresh of a collection at a time, and a fence against one that was thought dead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assets.refresh import end_refresh, open_refresh
from assets.workbench import Workbench
from resources.errors import CollectionBusy, LeaseLost
from resources.postgres import Database
from tests.conftest import refresh, rows


def test_a_second_refresh_ends_with_a_message_while_the_first_holds_the_collection(bench: Workbench) -> None:
    bench.lease_wait_seconds = 0.3
    with open_refresh(bench, "notes", "first"):
        other = another(bench)
        with pytest.raises(CollectionBusy, match="first is refreshing"):
            refresh(other)
    end_refresh(bench, "notes", "done")
    refresh(bench)


def another(bench: Workbench) -> Workbench:
    """Return the workbench of another process on the same database, with warm parsers."""
    other = replace(bench, leases={})
    other.__dict__["parser_pool"] = bench.parser_pool
    return other


def test_a_failed_stage_lets_the_next_refresh_in_at_once(bench: Workbench) -> None:
    with pytest.raises(ZeroDivisionError), open_refresh(bench, "notes", "failing"):
        _ = 1 / 0
    bench.lease_wait_seconds = 0.0
    refresh(bench)


def test_a_dead_holders_lease_runs_out_and_its_token_is_fenced_off(bench: Workbench, database: Database) -> None:
    with open_refresh(bench, "notes", "thought dead") as first:
        first.lease._stopped.set()  # Its process hangs: the lease is not renewed any more.
        rows_of(database, "UPDATE corpus.leases SET expires_at = '-infinity'")
        other = another(bench)
        refresh(other)
        with pytest.raises(LeaseLost), first.writing():
            first.session.connection.execute("DELETE FROM documents")
    assert rows(database, "SELECT count(*) FROM corpus.documents", role=None) == [(3,)]


def rows_of(database: Database, statement: str) -> None:
    """Run a statement as the owner of everything."""
    with database.connect(role=None) as session:
        session.connection.execute(statement.encode())


def test_the_ledger_says_how_each_refresh_ended(bench: Workbench, database: Database) -> None:
    refresh(bench)
    refresh(bench)
    ended = rows(database, "SELECT outcome, ended_at IS NOT NULL FROM corpus.refreshes ORDER BY refresh_id", role=None)
    assert ended == [("published", True), ("unchanged", True)]
