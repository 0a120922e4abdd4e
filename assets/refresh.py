"""One refresh of one collection: what its stages share, and the stages in order without Dagster.

The Dagster assets and `refresh_collection` call the same stage functions. Between stages nothing is
handed over in memory: each reads from Postgres what is missing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from assets.chunks.limits import Reading, limits_of
from assets.documents.metadata import settings_digest
from assets.lease import Lease, acquire
from assets.profiles.force import withdraw
from assets.publication.settling import settle
from assets.quality.golden import read_golden
from assets.readers import apply_readers
from assets.recipes import Recipe, chunk_recipe, parse_recipe
from assets.settings import Chunking, Collection
from assets.upkeep.retry import mark_for_retry
from assets.vectors.spaces import KeptSpace, KnownSpace, check_declared, read_kept, read_spaces
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import SpaceGone, SuimonError
from resources.postgres import Database, Session

FIRST_STATISTICS = 1000
"""Rows after which statistics are gathered the first time; then whenever as many again have come."""


@dataclass
class Growth:
    """How much a stage has written, so that the planner hears of it in time.

    Attributes:
        rows: written so far.
        due: rows at which statistics are gathered next.
    """

    rows: int = 0
    due: int = FIRST_STATISTICS

    def add(self, session: Session, rows: int) -> None:
        """Count rows; gather statistics when their number has doubled."""
        self.rows += rows
        if self.rows >= self.due:
            self.due = self.rows * 2
            session.execute("refresh/refresh_statistics")


@dataclass(frozen=True)
class Refresh:
    """A refresh under way.

    Attributes:
        bench: settings and doors.
        session: a connection of the pipeline role.
        lease: the right to write.
        name: the collection.
        settings: what the user declared of it.
        collection_id: its number.
        refresh_id: the ledger's line.
        run_id: the Dagster run, or another name of the caller.
        parse_recipe_id: the parse recipe in force.
        chunk_recipe_id: the chunk recipe in force.
        cutting: whose tokens its documents are cut by, and what the kept spaces leave for a chunk.
        fingerprint: digest of the settings in force, and of the spaces that are kept.
        stages: reports of this run's stages so far, by name.
    """

    bench: Workbench
    session: Session
    lease: Lease
    name: str
    settings: Collection
    collection_id: int
    refresh_id: int
    run_id: str
    parse_recipe_id: int
    chunk_recipe_id: int
    cutting: Cutting
    fingerprint: str
    stages: dict[str, Any]

    @property
    def converged(self) -> bool:
        """Whether nothing is left to do: the source is as it was, under these very settings."""
        return bool(self.session.value("refresh/read_converged", self.params) == self.fingerprint)

    def spaces(self) -> list[KeptSpace]:
        """Return the spaces as they are kept at this moment, as this collection meets them."""
        return read_kept(self.session, self.collection_id)

    def fingerprint_now(self) -> str:
        """Return the digest of the settings in force and of the spaces as they are kept at this moment."""
        return _fingerprint(self.bench, self.name, self.parse_recipe_id, self.chunk_recipe_id, self.spaces())

    @property
    def params(self) -> dict[str, Any]:
        """The parameter that nearly every query takes."""
        return {"collection_id": self.collection_id}

    @contextmanager
    def writing(self, *, repeatable_read: bool = False) -> Iterator[None]:
        """A transaction that commits only while the lease is held.

        Args:
            repeatable_read: whether all its statements see one state of the database.
        """
        with self.session.transaction(repeatable_read=repeatable_read):
            self.lease.confirm(self.session)
            yield
            self.lease.confirm(self.session)  # Lasts from now on, however long the transaction took.


@dataclass
class StageReport:
    """What a stage did.

    Attributes:
        stage: its name.
        changed: whether it wrote anything but the ledger's line.
        counts: numbers by name, in the order in which they are shown.
        seconds: wall time.
        quarantined: reasons by number of documents.
        cost: money spent, where the price is declared.
        currency: of the cost.
        notes: sentences about what did not go as it should and holds nothing up.
        figures: what was measured, by name.
    """

    stage: str
    changed: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    quarantined: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    currency: str = ""
    notes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


Stage = Callable[[Refresh], StageReport]


def _fingerprint(bench: Workbench, name: str, parse_id: int, chunk_id: int, kept: Sequence[KeptSpace]) -> str:
    settings = bench.collection(name)
    golden = read_golden(bench.root, settings, name)
    material = {
        "parse": parse_id,
        "chunk": chunk_id,
        "spaces": sorted((space.name, space.space_id, space.filled) for space in kept),
        "limits": settings.limits.model_dump(mode="json"),
        "link": settings.link,
        "left_out": list(settings.left_out),
        "metadata": settings_digest(settings.metadata),
        "golden": golden.digest() if golden else None,
    }
    return hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cutting:
    """How the documents of a collection are cut.

    Attributes:
        settings: what the user declared.
        tokenizer: whose tokens count.
        limits: by tokenizer, what the kept spaces leave for a chunk, where its declared size does not see to it.
        remembered: whether the tokenizer is that of a space which was live before; the live one bounds it as any other.
    """

    settings: Chunking
    tokenizer: str
    limits: Mapping[str, int]
    remembered: bool

    @property
    def recipe(self) -> Recipe:
        """The recipe that says all this."""
        return chunk_recipe(self.settings, self.tokenizer, self.limits)


def cutting_of(bench: Workbench, name: str, kept: Sequence[KnownSpace], remembered: str | None) -> Cutting:
    """Say how a collection is cut: by the live space's tokens, unless another space was live when it was cut first.

    Args:
        bench: settings and doors.
        name: of the collection.
        kept: the spaces of the database, all of them declared.
        remembered: the tokenizer that the database has noted for the collection.
    """
    settings = bench.collection(name).chunking
    live = next((space.name for space in kept if space.live), bench.first_space)
    tokenizer = remembered or bench.space(live).tokenizer
    readings = [
        Reading(declared.tokenizer, min(declared.token_limit, space.token_limit), declared.passage_prefix)
        for space in kept
        for declared in (bench.space(space.name),)
        if remembered or not space.live
    ]
    return Cutting(settings, tokenizer, limits_of(readings, tokenizer, settings.max_tokens), remembered is not None)


def _declare(session: Session, name: str) -> dict[str, Any]:
    found = session.records("refresh/read_collection", {"name": name})
    if not found:
        session.execute("refresh/declare_collection", {"name": name})
        found = session.records("refresh/read_collection", {"name": name})
    return found[0]


def _set_recipes(session: Session, row: Mapping[str, Any], cutting: Cutting, *, rebuild: bool) -> tuple[int, int]:
    parse_id = int(session.value("refresh/declare_recipe", parse_recipe().params()))
    chunk_id = int(session.value("refresh/declare_recipe", cutting.recipe.params()))
    if rebuild or (row["parse_recipe_id"], row["chunk_recipe_id"]) != (parse_id, chunk_id):
        session.execute(
            "refresh/set_recipes",
            {
                "collection_id": row["collection_id"],
                "parse_recipe_id": parse_id,
                "chunk_recipe_id": chunk_id,
                "rebuild": rebuild,
            },
        )
    return parse_id, chunk_id


def _begin(bench: Workbench, session: Session, row: Mapping[str, Any], settings: Collection) -> None:
    """Do what a run does before its first stage: what is declared of readers and profiles, and what was asked for."""
    apply_readers(session, row["collection_id"], settings, row["readers_digest"])
    if settings.profiles is None and row["profile_recipe_id"] is not None:
        withdraw(session, row["collection_id"])
    if bench.retry:
        mark_for_retry(session, row["collection_id"])


@contextmanager
def open_refresh(bench: Workbench, name: str, run_id: str) -> Iterator[Refresh]:
    """Take part in a refresh: the first stage of a run starts it, later ones join.

    The lease is kept when the block ends well, so that the next stage finds it, and released when it
    fails.

    Raises:
        CollectionBusy: another run holds the collection.
    """
    settings = bench.collection(name)
    database = bench.database
    with database.connect() as session:
        row = _declare(session, name)
        collection_id = row["collection_id"]
        kept = read_kept(session, collection_id)
        check_declared(bench, kept)
        lease = bench.leases.get(name)
        if lease is None or lease.holder != run_id:
            lease = acquire(
                database, session, collection_id, run_id,
                seconds=bench.lease_seconds, wait=bench.lease_wait_seconds,
            )  # fmt: skip
            bench.leases[name] = lease
            settle(session, lease)
            kept = read_kept(session, collection_id)  # Who had the lease before may have changed them.
        try:
            opened = session.record("refresh/open_refresh", {"collection_id": collection_id, "run_id": run_id})
            rebuild = bench.rebuild and not opened["stages"]
            cutting = cutting_of(bench, name, kept, None if rebuild else row["tokenizer"])
            parse_id, chunk_id = _set_recipes(session, row, cutting, rebuild=rebuild)
            if not opened["stages"]:  # Once a run: who applies other rules meanwhile has read a newer declaration.
                _begin(bench, session, row, settings)
            fingerprint = _fingerprint(bench, name, parse_id, chunk_id, kept)
            failpoints.reach("refresh.opened")
            yield Refresh(
                bench, session, lease, name, settings, collection_id, opened["refresh_id"], run_id,
                parse_id, chunk_id, cutting, fingerprint, opened["stages"],
            )  # fmt: skip
        except BaseException as error:
            end_refresh(bench, name, f"failed: {type(error).__name__}")
            gone = _gone(database, kept) if isinstance(error, psycopg.Error) else None
            if gone:
                raise SpaceGone(
                    f"Space {gone} was dropped while {name} was being refreshed; refresh again, without it."
                ) from None
            raise


def _gone(database: Database, kept: Sequence[KeptSpace]) -> str | None:
    """Name a space that is kept no more: then it is no wonder that a statement failed."""
    try:
        with database.connect() as session:
            now = {space.space_id for space in read_spaces(session)}
    except (SuimonError, psycopg.Error):
        return None
    return next((space.name for space in kept if space.space_id not in now), None)


def outcome_of(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in the ledger's words how a refresh ended that did not fail.

    Args:
        stages: the reports of its stages, by name.
    """
    if stages.get("publication", {}).get("changed"):
        return "published"
    return "nothing to publish" if any(stage.get("changed") for stage in stages.values()) else "unchanged"


def end_refresh(bench: Workbench, name: str, outcome: str) -> None:
    """Write down how this process's refresh of a collection ended, and let the next one in."""
    lease = bench.leases.pop(name, None)
    if lease is None:
        return
    lease.stop()  # Whatever happens now, it is not renewed: at worst it runs out.
    try:
        with bench.database.connect() as session:
            opened = session.record(
                "refresh/open_refresh", {"collection_id": lease.collection_id, "run_id": lease.holder}
            )
            session.execute("refresh/close_refresh", {"refresh_id": opened["refresh_id"], "outcome": outcome})
        failpoints.reach("refresh.closed")
        lease.release()
    except (SuimonError, psycopg.Error):
        return  # The database is away: the lease runs out by itself.


def run_stage(refresh: Refresh, name: str, stage: Stage) -> StageReport:
    """Run a stage, time it, and write its report into the ledger."""
    failpoints.reach(f"{name}.start")
    started = time.perf_counter()
    report = stage(refresh)
    failpoints.reach(f"{name}.end")
    report.seconds = round(time.perf_counter() - started, 4)
    refresh.stages[name] = asdict(report)
    params = {"refresh_id": refresh.refresh_id, "stage": name, "report": json.dumps(refresh.stages[name])}
    if not refresh.session.execute("refresh/record_stage", params | refresh.params | {"token": refresh.lease.token}):
        refresh.lease.confirm(refresh.session)  # Says that it is lost: nothing is claimed as done.
    failpoints.reach(f"{name}.reported")
    return report


def note(refresh: Refresh, name: str, sentence: str) -> None:
    """Add a sentence to the report of a stage that has ended: something that holds nothing up."""
    stage = refresh.stages.get(name)
    if stage is None:
        return
    stage["notes"] = [*stage.get("notes", []), sentence]
    params = {"refresh_id": refresh.refresh_id, "stage": name, "report": json.dumps(stage)}
    refresh.session.execute("refresh/record_stage", params | refresh.params | {"token": refresh.lease.token})
