"""Rules of who may read come into force: at once, through refreshes and rollbacks, and only if they can hold."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.utils import glob_translate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.documents import stage as documents
from assets.publication.rollback import rollback
from assets.readers import apply_readers, uri_pattern
from assets.refresh import open_refresh, run_stage
from assets.settings import Collection
from assets.upkeep.erase import erase
from assets.workbench import Workbench
from resources import failpoints
from resources.postgres import Database, Session
from tests.conftest import refresh, write
from tests.guarded import LOGINS, ROLES
from tests.worlds import World, assert_counted, make_logins, owner, vector


@pytest.fixture
def notes(make_bench: Callable[..., Workbench], database: Database, tmp_path: Path) -> tuple[World, Workbench]:
    """The collection `notes` of a database of the test's own, published."""
    bench = make_bench()
    own = World(database, bench, tmp_path)
    make_logins(own, ROLES, LOGINS)
    refresh(bench)
    return own, bench


def apply(database: Database, bench: Workbench, name: str = "notes") -> int | None:
    """Bring declared rules into force without a refresh."""
    with database.connect() as session:
        row = session.record("refresh/read_collection", {"name": name})
        return apply_readers(session, row["collection_id"], bench.collection(name), row["readers_digest"])


def uris(world: World, login: str) -> set[str]:
    """Return what a login sees."""
    return {uri for (uri,) in world.rows(login, "SELECT uri FROM search.documents")}


def redeclare(bench: Workbench, **settings: Any) -> None:
    """Declare `notes` anew."""
    old = bench.collection("notes").model_dump(mode="json", exclude={"source"})
    source = bench.collection("notes").source
    bench.collections = {"notes": Collection.model_validate(old | {"source": source} | settings)}


ALL = {"gate.md", "tides.txt", "水門.md"}
GATE_RULE = [{"path": "gate*", "readers": ["sec_board"]}]


def test_rules_hold_at_once_without_a_refresh_and_are_taken_back_alike(notes: tuple[World, Workbench]) -> None:
    world, bench = notes
    assert uris(world, "sec_any") == ALL
    redeclare(bench, readers=["sec_board"])
    assert apply(world.database, bench) == 0
    assert (uris(world, "sec_any"), uris(world, "sec_bea")) == (set(), ALL)
    assert apply(world.database, bench) is None
    redeclare(bench, readers=None, document_readers=GATE_RULE)
    assert apply(world.database, bench) == 1
    assert (uris(world, "sec_any"), uris(world, "sec_bea")) == (ALL - {"gate.md"}, ALL)
    redeclare(bench, document_readers=[{"path": "tides*", "readers": []}, *GATE_RULE])
    assert apply(world.database, bench) == 2
    assert (uris(world, "sec_any"), uris(world, "sec_bea")) == ({"水門.md"}, ALL - {"tides.txt"})
    redeclare(bench, document_readers=[])
    apply(world.database, bench)
    assert uris(world, "sec_any") == ALL
    assert_counted(world.database)


def test_a_revoked_role_is_out_at_the_next_statement_even_where_it_was_set(notes: tuple[World, Workbench]) -> None:
    world, bench = notes
    redeclare(bench, readers=["sec_passing"])
    make_logins(
        world, {"sec_passing": ("suimon_reader",), "sec_pia": ("suimon_reader", "sec_passing")}, {"sec_pia": "LOGIN"}
    )
    apply(world.database, bench)
    count = "SELECT count(*) FROM search.documents"
    with world.connect("sec_pia") as inherits, world.connect("sec_pia") as sets:
        sets.execute("SET ROLE sec_passing")
        assert [c.execute(count).fetchone() for c in (inherits, sets)] == [(3,), (3,)]
        world.sudo("REVOKE sec_passing FROM sec_pia")
        assert [c.execute(count).fetchone() for c in (inherits, sets)] == [(0,), (0,)]
        asked = sets.execute("SELECT FROM search.semantic('small', %s)", [vector("gate")]).fetchall()
        assert asked == []


def test_a_role_that_does_not_exist_lets_nobody_in_until_it_is_made(notes: tuple[World, Workbench]) -> None:
    world, bench = notes
    redeclare(bench, readers=["sec_Später"])
    apply(world.database, bench)
    assert uris(world, "sec_any") == set()
    world.sudo('DROP ROLE IF EXISTS "sec_Später"', 'CREATE ROLE "sec_Später"')
    assert uris(world, "sec_any") == set()
    world.sudo('GRANT "sec_Später" TO sec_any')
    assert uris(world, "sec_any") == ALL
    world.sudo('DROP ROLE "sec_Später"')
    assert uris(world, "sec_any") == set()


def test_a_rollback_brings_back_no_reader_and_no_erased_document(
    notes: tuple[World, Workbench], corpus: Path, database: Database
) -> None:
    world, bench = notes
    bench.accept_deletions = True
    (corpus / "gate.md").unlink()
    write(corpus, "tides.txt", "The word quagmire stands here alone.\n")
    refresh(bench)
    redeclare(bench, document_readers=[*GATE_RULE, {"path": "水門*", "readers": []}])
    refresh(bench)
    assert uris(world, "sec_any") == {"tides.txt"}
    erase(bench, "notes", "tides.txt", by="somebody", run_id="erase")
    rollback(bench, "notes", 1, by="somebody", run_id="back")
    assert uris(world, "sec_any") == set()
    assert uris(world, "sec_bea") == {"gate.md"}
    assert_counted(database)
    assert world.rows(None, "SELECT count(*) FROM corpus.term_counts WHERE term ~ 'quagmire|tide'") == [(0,)]


def test_the_words_of_an_erased_document_go_though_a_rollback_was_cut_off_before_it_counted(
    notes: tuple[World, Workbench], corpus: Path, database: Database
) -> None:
    _, bench = notes
    bench.accept_deletions = True
    write(corpus, "late.md", "# Late\n\nThe word quagmire stands here alone.\n")
    refresh(bench)

    def cut(session: Any, name: str, *args: Any, **more: Any) -> Any:
        if name == "publication/recount_terms":
            raise KeyboardInterrupt
        return kept(session, name, *args, **more)

    kept = Session.execute
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Session, "execute", cut)
        rollback(bench, "notes", 1, by="somebody", run_id="back")
    erase(bench, "notes", "late.md", by="somebody", run_id="erase")
    with owner(database) as session:
        left = session.connection.execute("SELECT count(*) FROM term_counts WHERE term ~ 'quagm'").fetchone()
    assert left == (0,)


@pytest.mark.parametrize("point", ["publication.gated", "publication.heads_moved", "publication.committing"])
def test_rules_that_change_while_a_refresh_publishes_hold_for_all_of_it(
    notes: tuple[World, Workbench], corpus: Path, point: str
) -> None:
    world, bench = notes
    for number in range(3):
        write(corpus, f"gate{number}.md", f"# Gate {number}\n\nAnother gate, number {number}.\n")
    write(corpus, "gate.md", "# Gate\n\nThe gate was mended.\n")
    at_the_same_time(bench, world.database, point, lambda: refresh(bench))
    assert uris(world, "sec_any") == ALL - {"gate.md"}
    assert_counted(world.database)


@pytest.mark.parametrize("point", ["publication/pin", "rollback.committing"])
def test_rules_that_change_while_a_rollback_commits_hold_for_all_of_it(
    notes: tuple[World, Workbench], corpus: Path, point: str
) -> None:
    world, bench = notes
    bench.accept_deletions = True
    (corpus / "gate.md").unlink()
    refresh(bench)
    back = lambda: rollback(bench, "notes", 1, by="somebody", run_id="back")  # noqa: E731
    at_the_same_time(bench, world.database, point, back)
    assert uris(world, "sec_bea") == ALL
    assert uris(world, "sec_any") == ALL - {"gate.md"}
    assert_counted(world.database)


def at_the_same_time(bench: Workbench, database: Database, point: str, act: Callable[[], Any]) -> None:
    """Apply rules for gates from another connection while something stands at a failpoint, or before a statement."""
    declared = Collection.model_validate(
        bench.collection("notes").model_dump(mode="json", exclude={"source"})
        | {"source": bench.collection("notes").source, "document_readers": GATE_RULE}
    )

    def declare() -> None:
        with database.connect() as session:
            row = session.record("refresh/read_collection", {"name": "notes"})
            apply_readers(session, row["collection_id"], declared, row["readers_digest"])

    other = threading.Thread(target=declare)

    def hook(name: str) -> None:
        if name == point and not other.ident:
            other.start()
            other.join(0.7)  # It waits, or is done.

    def execute(session: Session, name: str, *args: Any, **more: Any) -> int:
        hook(name)
        return kept(session, name, *args, **more)

    kept = Session.execute
    failpoints.install(hook)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "execute", execute)
            act()
    finally:
        failpoints.install(None)
        other.join(10)
    assert other.ident
    assert not other.is_alive()


def test_a_run_applies_its_rules_once_so_that_newer_ones_stay(notes: tuple[World, Workbench], corpus: Path) -> None:
    world, bench = notes
    write(corpus, "more.md", "# More\n\nMore words.\n")
    with open_refresh(bench, "notes", "slow") as opened:
        run_stage(opened, "documents", documents.run)
    old = dict(bench.collections)
    redeclare(bench, readers=[])
    apply(world.database, bench)
    bench.collections = old
    with open_refresh(bench, "notes", "slow"):
        assert uris(world, "sec_any") == set()


# Declarations.


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"metadata": {"confidentialty": "secret"}}, "'confidentialty' is no metadata field"),
        ({"metadata": {"year": "last"}}, "'last' of year is not an integer"),
        ({"path": "a/**b"}, r"'\*\*' can only be an entire path component"),
        ({}, "needs path, metadata or both"),
    ],
)
def test_a_rule_that_could_fit_no_document_is_refused(rule: dict[str, Any], message: str) -> None:
    fields = {"fields": {"confidentiality": {}, "year": {"type": "integer"}}}
    with pytest.raises(ValidationError, match=message):
        Collection.model_validate(
            {"source": "x", "metadata": fields, "document_readers": [rule | {"readers": ["board"]}]}
        )


@pytest.mark.parametrize("role", ["public", "none", "", "r" * 64, "水" * 22])
def test_what_can_be_no_role_is_refused(role: str) -> None:
    with pytest.raises(ValidationError, match="role"):
        Collection.model_validate({"source": "x", "readers": [role]})
    with pytest.raises(ValidationError, match="role"):
        Collection.model_validate({"source": "x", "document_readers": [{"path": "x", "readers": [role]}]})


_GLOB = st.text("ab/.*?[]!^-\\ $+(){}|#&~é水\n'\":=,%", min_size=1, max_size=7)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(glob=_GLOB, paths=st.lists(_GLOB, min_size=1, max_size=6))
def test_a_glob_fits_the_same_paths_in_postgres_as_where_sources_are_listed(
    database: Database, glob: str, paths: list[str]
) -> None:
    try:
        pattern = re.compile(glob_translate(unicodedata.normalize("NFC", glob)))
    except (re.error, ValueError):
        return
    paths = [*paths, glob, glob.replace("**", "a/b").replace("*", "ab").replace("?", "a")]
    query = "SELECT normalize(p.uri) ~ %s FROM unnest(%s::text[]) WITH ORDINALITY AS p (uri, nth) ORDER BY nth"
    with database.connect() as session:
        found = [row[0] for row in session.connection.execute(query, [uri_pattern(glob), paths])]
    assert found == [pattern.match(unicodedata.normalize("NFC", path)) is not None for path in paths]
