"""Mending what a comparison found, collection by collection, each under its lease.

Heads become what the ledger says. Chunks are cut again from the stored parse and must come out with the digest that was
recorded. Only a vector that is gone or altered is asked for again. Every step decides anew, in its own transaction,
what is at fault, and does nothing where nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from assets.engine import audit_stage
from assets.lease import Lease, acquire
from assets.publication.settling import settle
from assets.refresh import end_refresh, open_refresh, outcome_of, run_stage
from assets.settings import Limits
from assets.upkeep.rebuild import rebuild_index
from assets.upkeep.verify_findings import Finding, stopped
from assets.upkeep.verify_recut import mend_chunk_sets
from assets.vectors import stage as vector_stage
from assets.vectors.index import build_index
from assets.vectors.spaces import KnownSpace, read_spaces
from assets.workbench import Workbench
from resources.errors import GateClosed, SuimonError
from resources.postgres import Session

FEW = 3
"""Heads without a publish that are taken away however large their share; more of them have to be within the limit."""

HEADS = {"documents_missing", "heads_missing", "heads_extra", "heads_altered"}
CHUNKS = {
    "chunks_missing", "chunks_extra", "chunks_altered", "chunk_sets_without_digest", "texts_missing", "texts_altered",
}  # fmt: skip
VECTORS = {"vectors_altered", "vectors_zero", "vectors_of_wrong_dimensions"}
INDEX = {"index_missing", "index_invalid", "index_of_wrong_kind", "vectors_unreachable"}


@dataclass(frozen=True)
class Held:
    """A collection that is being mended.

    Attributes:
        bench: settings and doors.
        session: a connection of the pipeline role.
        lease: the right to write.
        name: the collection.
        collection_id: its number.
        spaces: that the database keeps.
        run_id: who mends.
    """

    bench: Workbench
    session: Session
    lease: Lease
    name: str
    collection_id: int
    spaces: list[KnownSpace]
    run_id: str

    @property
    def params(self) -> dict[str, int]:
        """The parameters that nearly every query takes."""
        return {"collection_id": self.collection_id}

    def params_in(self, space: KnownSpace) -> dict[str, int]:
        """The parameters of queries about the collection's vectors in a space."""
        return self.params | {"space_id": space.space_id}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that commits only while the lease is held."""
        with self.session.transaction():
            self.lease.confirm(self.session)
            yield
            self.lease.confirm(self.session)


def repair_all(
    bench: Workbench, collections: Mapping[str, int], found: Iterable[Finding], *, run_id: str
) -> list[Finding]:
    """Mend what was found; one collection that cannot be mended does not keep the others from it.

    Args:
        bench: settings and doors.
        collections: numbers by name of those that were compared.
        found: what is at fault.
        run_id: who mends.

    Returns:
        What could not be done, and why.
    """
    stops: list[Finding] = []
    kinds: dict[str | None, set[str]] = {}
    for item in found:
        kinds.setdefault(item.collection, set()).add(item.kind)
    for name in sorted(set(kinds) & set(collections), key=str):
        try:
            stops += _repair(bench, str(name), collections[str(name)], kinds[name], run_id)
        except SuimonError as error:
            stops.append(stopped(name, error.args[0]))
    try:
        _repair_common(bench, kinds.get(None, set()))
    except SuimonError as error:
        stops.append(stopped(None, error.args[0]))
    return stops


def _repair(bench: Workbench, name: str, collection_id: int, kinds: set[str], run_id: str) -> list[Finding]:
    stops: list[Finding] = []
    with _holding(bench, name, collection_id, run_id) as held:
        if kinds & HEADS:
            stops += _mend_heads(held)
        if "profiles_differ" in kinds or kinds & HEADS:
            with held.writing():
                held.session.execute("profiles/show_profiles", held.params)
        if kinds & CHUNKS:
            stops += mend_chunk_sets(held)
        for space in held.spaces:
            _ask_for_vectors(held, space, faulty=bool(kinds & VECTORS))
        _clear(held, kinds)
        if held.session.value("verify/count_wanted", held.params):
            _embed(held)
    return stops


@contextmanager
def _holding(bench: Workbench, name: str, collection_id: int, run_id: str) -> Iterator[Held]:
    """Hold a collection, declared or not, until the block ends; a refresh inside joins under the same run.

    Raises:
        CollectionBusy: another run holds the collection.
    """
    with bench.database.connect() as session:
        lease = acquire(
            bench.database, session, collection_id, run_id, seconds=bench.lease_seconds, wait=bench.lease_wait_seconds
        )
        bench.leases[name] = lease
        try:
            settle(session, lease)
            yield Held(bench, session, lease, name, collection_id, read_spaces(session), run_id)
        finally:
            if bench.leases.pop(name, None) is not None:
                lease.release()


def _mend_heads(held: Held) -> list[Finding]:
    """Have readers see what the ledger says, unless the ledger itself looks damaged.

    Heads go only where few are without a publish: a ledger that lost its lines must not empty the table.
    """
    declared = held.bench.collections.get(held.name)
    limit = (declared.limits if declared else Limits.model_validate({})).vanished_share
    with held.writing():
        held.session.execute("publication/hold_readers", held.params)
        held.session.execute("verify/restore_documents", held.params)
        counts = held.session.record("verify/count_extra_heads", held.params)
        extra, heads = counts["extra"], counts["heads"]
        doubtful = extra > 0 and (extra == heads or (extra > FEW and extra > limit * heads))
        if extra and not doubtful:
            held.session.execute("verify/remove_extra_heads", held.params)
        held.session.execute("verify/restore_heads", held.params)
        held.session.execute("publication/recount_terms", held.params)
        held.session.execute("refresh/mark_unconverged", held.params)
    if not doubtful:
        return []
    sentence = (
        f"the ledger does not know {extra} of {heads} heads, as if it had lost lines, so nothing was taken away; bring "
        "publish_changes back from a backup, or drop the collection and refresh."
    )
    return [stopped(held.name, sentence)]


def _ask_for_vectors(held: Held, space: KnownSpace, *, faulty: bool) -> None:
    """Take faulty vectors away and note which published texts want one."""
    session, params = held.session, held.params_in(space)
    with held.writing():
        if faulty:
            held.bench.collection(held.name)  # Where it is not declared, nobody knows who could make them again.
            session.execute("verify/delete_faulty_vectors", params, vectors=space.table)
        asked = session.execute("verify/want_texts", params, vectors=space.table)
        session.execute("verify/forget_passes", params, vectors=space.table)
        if faulty or asked:
            session.execute("refresh/mark_unconverged", held.params)


def _clear(held: Held, kinds: set[str]) -> None:
    """Take away what dead runs left, and let the next refresh look at what is unaccounted for."""
    with held.writing():
        held.session.execute("verify/delete_unheld_claims", held.params)
        for space in held.spaces:
            held.session.execute("verify/delete_fulfilled_wishes", held.params_in(space), vectors=space.table)
        if "documents_unaccounted" in kinds:
            held.session.execute("refresh/mark_unconverged", held.params)


def _embed(held: Held) -> None:
    """Run the vectors stage and its audits for the texts that want a vector.

    Raises:
        ConfigurationError: the collection is not declared, so that nobody knows its endpoint.
        GateClosed: what the endpoint gave did not pass the audits.
        SuimonError: the endpoint could not be used, or a budget is spent; what it answered is kept.
    """
    with open_refresh(held.bench, held.name, held.run_id) as refresh:
        with refresh.writing():
            refresh.session.execute("refresh/mark_unconverged", refresh.params)
        run_stage(refresh, "vectors", vector_stage.run)
        failed = [result.audit.name for result in audit_stage(refresh, "vectors") if result.blocks]
        if failed:
            raise GateClosed(f"the vectors that were lost did not pass again: {', '.join(failed)}.")
        for space in held.spaces:
            with refresh.writing():
                params = refresh.params | {"space_id": space.space_id}
                refresh.session.execute("vectors/settle_wanted", params, vectors=space.table)
        outcome = outcome_of(refresh.stages)
    end_refresh(held.bench, held.name, outcome)


def _repair_common(bench: Workbench, kinds: set[str]) -> None:
    """Mend what belongs to no collection: vectors that nothing uses, the index, the limiter's memory."""
    with bench.database.connect() as session:
        for space in read_spaces(session):
            params = {"space_id": space.space_id, "collection_id": None}
            if kinds & VECTORS:
                session.execute("verify/delete_faulty_vectors", params, vectors=space.table)
            if kinds & INDEX and session.records("verify/find_index_faults", params, vectors=space.table):
                build = build_index(bench, session, space.space_id)
                if not build.built:
                    rebuild_index(bench, session, space.space_id)
            elif "vectors_unreachable" in kinds:
                rebuild_index(bench, session, space.space_id)
        if "rate_usage_old" in kinds:
            session.execute("verify/delete_old_rate_usage")
