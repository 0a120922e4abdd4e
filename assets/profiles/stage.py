"""The profiles stage: have every document that readers see described, then audit and show what came of it.

It follows the text, in a run of its own and without the collection's lease: nothing here can hold a refresh up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from assets.auditing.audit import run_suite, suite_id
from assets.auditing.suite import AuditResult
from assets.lease import Lease
from assets.llm import Llm
from assets.profiles.audits import suite
from assets.profiles.force import put_in_force, withdraw
from assets.profiles.line import Line
from assets.profiles.recipe import profile_recipe
from assets.profiles.schema import filter_types
from assets.profiles.settings import Profiles
from assets.profiles.spending import Wallet
from assets.refresh import Refresh, StageReport, cutting_of
from assets.vectors.spending import Spent
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import SuimonError
from resources.postgres import Session
from resources.wording import counted


@dataclass
class ProfileReport(StageReport):
    """What the profiles stage did.

    Attributes:
        stopped: why it ended before all were described: `budget`, `time`, `way`; empty if it did not.
    """

    stopped: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether the rest can be described at once, and need not wait for anything."""
        return self.stopped in {"time", "way"}


class NoLease(Lease):
    """What stands in for a lease where none is needed: everything written is addressed by content."""

    def confirm(self, session: Session) -> None:
        """Do nothing."""


@contextmanager
def open_profiling(bench: Workbench, name: str, run_id: str) -> Iterator[Refresh]:
    """Begin to work on the profiles of a collection.

    Args:
        bench: settings and doors.
        name: the collection.
        run_id: names the work in the ledger of cost.
    """
    settings = bench.collection(name)
    with bench.database.connect() as session:
        if not session.records("profiles/read_collection", {"name": name}):
            session.execute("refresh/declare_collection", {"name": name})
        number = session.record("profiles/read_collection", {"name": name})["collection_id"]
        lease = NoLease(bench.database, number, run_id, 0, 0)
        cutting = cutting_of(bench, name, (), None)  # Nothing is cut here.
        yield Refresh(bench, session, lease, name, settings, number, 0, run_id, 0, 0, cutting, "", {})


def run(refresh: Refresh) -> ProfileReport:
    """Describe what has no profile yet; each answer is committed as it comes.

    Where it fails, what was described until then is audited and shown all the same.

    Raises:
        ConfigurationError: the collection asks for profiles, and no LLM is declared.
        EndpointUnavailable: the endpoint did not answer in time; what it answered is kept.
        EndpointRefused: the endpoint cannot be used as declared.
    """
    started = time.perf_counter()
    report = ProfileReport("profiles")
    try:
        _run(refresh, report)
    except BaseException as error:
        with suppress(SuimonError, psycopg.Error):  # What went wrong first is what is to be told.
            _note(refresh, error)
            audit(refresh)
        raise
    _note(refresh, None)
    report.seconds = round(time.perf_counter() - started, 4)
    failpoints.reach("profiles.end")
    return report


def _note(refresh: Refresh, error: BaseException | None) -> None:
    """Note how the attempt ended, for `suimon status`; one that was stopped says nothing of the endpoint."""
    if isinstance(error, SuimonError):
        failure: str | None = str(error)
    elif isinstance(error, Exception):  # Its words may hold something of a document.
        failure = f"A fault of ours ({type(error).__name__}); the traceback is in run {refresh.run_id}, in the UI."
    elif error is None:
        failure = None
    else:
        return
    refresh.session.execute("profiles/record_attempt", {"collection_id": refresh.collection_id, "failure": failure})


def _run(refresh: Refresh, report: ProfileReport) -> None:
    wanted = refresh.settings.profiles
    if wanted is None:
        report.changed = withdraw(refresh.session, refresh.collection_id)
        return
    llm = refresh.bench.declared_llm
    recipe_id = int(refresh.session.value("refresh/declare_recipe", profile_recipe(wanted, llm).params()))
    types = json.dumps(filter_types(wanted), sort_keys=True)
    suite_number = suite_id(refresh.session, suite())
    report.changed = put_in_force(refresh.session, refresh.collection_id, recipe_id, suite_number, types)
    if refresh.bench.retry:
        refresh.session.execute("profiles/retry_failures", refresh.params)
    waiting = [row["elements_id"] for row in refresh.session.records("profiles/read_unprofiled", refresh.params)]
    failpoints.reach("profiles.start")
    if waiting:
        _describe(refresh, wanted, llm, recipe_id, waiting, report)
    failed = refresh.session.record("profiles/count_unprofiled", refresh.params)["failed"]
    if failed:
        report.notes.append(undescribed(refresh.name, failed))


def _describe(
    refresh: Refresh, wanted: Profiles, llm: Llm, recipe_id: int, waiting: list[int], report: ProfileReport
) -> None:
    who = {"collection": refresh.name, "run_id": refresh.run_id, "timezone": refresh.settings.timezone}
    spent = refresh.session.rows(Spent, "profiles/read_spent", who)[0]
    line = Line(refresh, wanted, llm, recipe_id, waiting, Wallet.of(llm, wanted.budget, spent))
    refresh.bench.open_llm(keeps=True).run(line.run)
    tally = line.tally
    left = refresh.session.record("profiles/count_unprofiled", refresh.params)["waiting"]
    report.changed = True
    report.counts = {
        "described": tally.profiles,
        "could_not_be_described": tally.failed,
        "parts": tally.parts,
        "parts_failed": tally.parts_failed,
        "cut_short": tally.cut_short,
        "passages_to_a_model": tally.to_a_model,
        "left_out": tally.left_out,
        "elsewhere": tally.elsewhere,
        "waiting": left,
        "requests": tally.requests,
        "tokens": tally.prompt_tokens + tally.completion_tokens,
        "output_tokens": tally.completion_tokens,
    }
    report.notes += _notes(refresh, line, left)
    report.stopped = line.stopped
    report.cost = llm.cost(tally.prompt_tokens, tally.completion_tokens)
    report.currency = llm.currency if report.cost is not None else ""


def _notes(refresh: Refresh, line: Line, left: int) -> list[str]:
    """Say why documents still wait, and when they are taken up again."""
    if not left:
        return []
    waits = f"{left} document{'s wait' if left > 1 else ' waits'} for a profile"
    sentences = {
        "budget": f"`profiles.budget` of {refresh.name} is spent; a later run goes on.",
        "time": f"this run had its {line.wanted.seconds_per_run:g} s (`seconds_per_run`); the next goes on.",
        "way": f"this run made way for another one of {refresh.name}; the next goes on.",
        "": "they were published while this run was under way.",
    }
    why = sentences[line.stopped]
    if line.stopped == "budget" and not line.tally.requests:
        why = f"what `profiles.budget` of {refresh.name} leaves is less than one question may cost."
    if line.elsewhere:
        why += f" Another run is having {len(line.elsewhere)} of them described at this moment."
    return [f"{waits}: {why}"]


def undescribed(name: str, failed: int) -> str:
    """Say that documents could not be described, and how they are tried again.

    Args:
        name: of the collection.
        failed: how many.
    """
    return f"{counted(failed, 'document')} could not be described; `suimon profile {name} --retry` asks again."


def audit(refresh: Refresh) -> list[AuditResult]:
    """Audit what has no recorded pass, then show what passed; loads nothing where there is nothing."""
    results = run_suite(refresh, suite()) if refresh.settings.profiles is not None else []
    failpoints.reach("profiles.audited")
    refresh.session.execute("profiles/show_profiles", refresh.params)
    failpoints.reach("profiles.shown")
    return results


def make_profiles(bench: Workbench, name: str, run_id: str) -> tuple[ProfileReport, list[AuditResult]]:
    """Bring the profiles of one collection up to date, without Dagster.

    Args:
        bench: settings and doors.
        name: the collection.
        run_id: names the work in the ledger of cost.
    """
    with open_profiling(bench, name, run_id) as refresh:
        return run(refresh), audit(refresh)
