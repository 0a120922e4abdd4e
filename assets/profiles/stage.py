"""The profiles stage: have every document that readers see described, then audit and show what came of it.

It follows the text, in a run of its own and without the collection's lease: nothing here can hold a refresh up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from assets.auditing.audit import run_suite, suite_id
from assets.auditing.suite import AuditResult
from assets.lease import Lease
from assets.llm import Llm
from assets.profiles.audits import suite
from assets.profiles.line import Line
from assets.profiles.recipe import profile_recipe
from assets.profiles.schema import filter_types
from assets.profiles.settings import Profiles
from assets.profiles.spending import Wallet
from assets.refresh import Refresh, StageReport, cutting_of
from assets.vectors.spending import Spent
from assets.workbench import Workbench
from resources.postgres import Session


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


def run(refresh: Refresh) -> StageReport:
    """Describe what has no profile yet; each answer is committed as it comes.

    Raises:
        ConfigurationError: the collection asks for profiles, and no LLM is declared.
        EndpointUnavailable: the endpoint did not answer in time; what it answered is kept.
        EndpointRefused: the endpoint cannot be used as declared.
    """
    started = time.perf_counter()
    report = StageReport("profiles")
    wanted = refresh.settings.profiles
    if wanted is None:
        report.changed = bool(_put_in_force(refresh, None, None, "{}"))
        return report
    llm = refresh.bench.declared_llm
    recipe_id = int(refresh.session.value("refresh/declare_recipe", profile_recipe(wanted, llm).params()))
    types = json.dumps(filter_types(wanted), sort_keys=True)
    report.changed = bool(_put_in_force(refresh, recipe_id, suite_id(refresh.session, suite()), types))
    if refresh.bench.retry:
        refresh.session.execute("profiles/retry_failures", refresh.params)
    waiting = [row["elements_id"] for row in refresh.session.records("profiles/read_unprofiled", refresh.params)]
    if waiting:
        _describe(refresh, wanted, llm, recipe_id, waiting, report)
    report.seconds = round(time.perf_counter() - started, 4)
    return report


def _describe(
    refresh: Refresh, wanted: Profiles, llm: Llm, recipe_id: int, waiting: list[int], report: StageReport
) -> None:
    who = {"collection": refresh.name, "run_id": refresh.run_id, "timezone": refresh.settings.timezone}
    spent = refresh.session.rows(Spent, "profiles/read_spent", who)[0]
    line = Line(refresh, wanted, llm, recipe_id, waiting, Wallet.of(llm, wanted.budget, spent))
    refresh.bench.open_llm().run(line.run)
    tally = line.tally
    report.changed = True
    report.counts = {
        "described": tally.profiles,
        "could_not_be_described": tally.failed,
        "parts": tally.parts,
        "parts_failed": tally.parts_failed,
        "cut_short": tally.cut_short,
        "elsewhere": tally.elsewhere,
        "waiting": len(waiting) - tally.profiles - tally.failed,
        "requests": tally.requests,
        "tokens": tally.prompt_tokens + tally.completion_tokens,
        "output_tokens": tally.completion_tokens,
    }
    report.cost = llm.cost(tally.prompt_tokens, tally.completion_tokens)
    report.currency = llm.currency if report.cost is not None else ""


def _put_in_force(refresh: Refresh, recipe_id: int | None, suite_number: int | None, types: str) -> int:
    """Note what is in force, if it is not: from then on filters know the fields, and heads show profiles of it."""
    params = refresh.params | {"recipe_id": recipe_id, "suite_id": suite_number, "types": types}
    return refresh.session.execute("profiles/set_recipe", params)


def audit(refresh: Refresh) -> list[AuditResult]:
    """Audit what has no recorded pass, then show what passed; loads nothing where there is nothing."""
    results = run_suite(refresh, suite()) if refresh.settings.profiles is not None else []
    refresh.session.execute("profiles/show_profiles", refresh.params)
    return results


def make_profiles(bench: Workbench, name: str, run_id: str) -> tuple[StageReport, list[AuditResult]]:
    """Bring the profiles of one collection up to date, without Dagster.

    Args:
        bench: settings and doors.
        name: the collection.
        run_id: names the work in the ledger of cost.
    """
    with open_profiling(bench, name, run_id) as refresh:
        try:
            report = run(refresh)
        finally:
            results = audit(refresh)
    return report, results
