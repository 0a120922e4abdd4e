"""Guards that stop a refresh before it pays or empties anything, and what a person may overrule, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assets.workbench import Workbench
from resources.errors import GateClosed
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer


def confirmations(database: Database) -> list[tuple[object, ...]]:
    """Return what was confirmed, by whom, and what was seen."""
    return rows(database, "SELECT kind, given_by, seen, run_id FROM corpus.confirmations", role=None)


def test_a_folder_too_many_is_neither_parsed_nor_paid_for_until_somebody_agrees(
    make_bench: Callable[..., Workbench], endpoint: EmbeddingServer, database: Database, corpus: Path
) -> None:
    limits = {"growth_documents": 5, "growth_share": 2}
    refresh(make_bench(limits=limits))
    for number in range(7):
        write(corpus, f"more/{number}.txt", f"Document number {number} of a folder that nobody meant.\n")
    endpoint.forget()
    bench = make_bench(limits=limits)
    with pytest.raises(GateClosed, match="growth_is_within_limits"):
        refresh(bench)
    assert endpoint.texts == []
    assert rows(database, "SELECT count(*) FROM corpus.elements", role=None) == [(3,)]
    bench.accept_growth, bench.asked_by = True, "somebody@somewhere"
    refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.documents") == [(10,)]
    [(kind, by, seen, _)] = confirmations(database)
    assert (kind, by, seen) == ("growth", "somebody@somewhere", {"new": 7, "published": 3})
    write(corpus, "one more.txt", "One more is no growth to speak of.\n")
    refresh(make_bench(limits=limits))


def test_the_gate_asks_for_growth_again_where_a_scheduler_skipped_the_audit(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"growth_documents": 5, "growth_share": 2}
    refresh(make_bench(limits=limits))
    for number in range(7):
        write(corpus, f"more/{number}.txt", f"Document number {number} of a folder that nobody meant.\n")
    from assets.documents import audits

    lenient = audits.suite
    monkeypatch.setattr(audits, "suite", lambda limits, **_: lenient(limits, accept_growth=True))
    with pytest.raises(GateClosed, match="7 documents are new beside 3 published ones"):
        refresh(make_bench(limits=limits))
    assert rows(database, "SELECT count(*) FROM search.documents") == [(3,)]


def test_a_first_refresh_is_bound_by_no_growth(make_bench: Callable[..., Workbench], database: Database) -> None:
    refresh(make_bench(limits={"growth_documents": 0, "growth_share": 0}))
    assert rows(database, "SELECT count(*) FROM search.documents") == [(3,)]


def test_a_confirmed_deletion_is_recorded_with_who_and_what_and_holds_once(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    (corpus / "gate.md").unlink()
    (corpus / "tides.txt").unlink()
    with pytest.raises(GateClosed):
        refresh(bench)
    assert confirmations(database) == []
    bench.accept_deletions, bench.asked_by = True, "somebody@somewhere"
    refresh(bench)
    [(kind, by, seen, run)] = confirmations(database)
    assert (kind, by, seen) == ("deletions", "somebody@somewhere", {"vanished": 2, "published": 3, "in_source": 1})
    assert rows(database, "SELECT run_id FROM search.publishes ORDER BY publish DESC LIMIT 1") == [(run,)]
    bench.accept_deletions = False
    (corpus / "水門.md").unlink()
    with pytest.raises(GateClosed):
        refresh(bench)


def test_what_nobody_had_to_confirm_is_not_recorded_as_confirmed(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    write(corpus, "tides.txt", "High tide is at seven.\n")
    bench.accept_deletions, bench.accept_growth = True, True
    refresh(bench)
    assert confirmations(database) == []


def test_tags_of_a_run_ask_and_their_absence_does_not(bench: Workbench) -> None:
    from assets.shell import heed_tags

    heed_tags(bench, {"suimon/accept-deletions": "true", "suimon/by": "me", "suimon/retry": "false"})
    assert (bench.accept_deletions, bench.accept_growth, bench.retry, bench.asked_by) == (True, False, False, "me")
    heed_tags(bench, {})
    assert not bench.accept_deletions
