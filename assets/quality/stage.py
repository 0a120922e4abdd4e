"""What is measured after a publish: how well golden questions are answered, and how healthy the vector index is.

Neither needs the collection's lease: both only look, and keep what they saw with the publish that they looked at.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from assets.quality.asking import Asker
from assets.quality.audits import INDEX_PAYS
from assets.quality.evaluation import LEGS, Evaluation, evaluate, newest_publish
from assets.quality.golden import read_golden
from assets.refresh import StageReport
from assets.upkeep.rebuild import is_due
from assets.vectors.spaces import KnownSpace, live_of, read_spaces
from assets.workbench import Workbench
from resources.postgres import Session

EXACT_DISTANCES = 5_000_000
"""Distances that one measurement of an index computes, at most but for the least sample: a second or two."""

LEAST_SAMPLE, LARGEST_SAMPLE = 10, 100


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        report: as every stage makes one.
        evaluation: how golden questions fare, if they were asked.
        indexes: numbers of each space's index, by space, if they were measured.
        skipped: why nothing was.
    """

    report: StageReport
    evaluation: Evaluation | None = None
    indexes: dict[str, dict[str, Any]] | None = None
    skipped: str = ""


def measure_retrieval(asker: Asker) -> Measured:
    """Ask the golden questions of what readers see, unless that was done already.

    Raises:
        ConfigurationError: the file of questions is wrong.
        EndpointUnavailable: questions are new, and the endpoint did not answer in time.
    """
    report = StageReport("retrieval_quality")
    golden = read_golden(asker.bench.root, asker.settings, asker.name)
    if golden is None:
        return Measured(report, skipped="The collection declares no golden questions.")
    space, newest = live_of(read_spaces(asker.session)), newest_publish(asker)
    if space is None or newest is None:
        return Measured(report, skipped="Nothing is published yet.")
    digest = golden.digest(str(asker.session.value("quality/read_engine")))
    known = {"publish_id": newest["publish_id"], "space": space.name, "digest": digest}
    if asker.session.value("quality/has_quality", known):
        return Measured(report, skipped="These questions were asked of this publish already.")
    found = evaluate(asker, golden, space)
    if found is None:
        return Measured(report, skipped="Nothing is published any more.")
    _keep_quality(asker, found, digest)
    report.changed = True
    report.counts = {"questions": found.questions, "left_out": len(found.left_out) + len(found.unasked)}
    for leg in LEGS:
        means = found.mean(leg)
        report.figures |= {
            f"{leg} recall@{found.k}": means.recall,
            f"{leg} MRR@{found.k}": means.mrr,
            f"{leg} nDCG@{found.k}": means.ndcg,
        }
    return Measured(report, evaluation=found)


def _keep_quality(asker: Asker, found: Evaluation, digest: str) -> None:
    left_out = len(found.left_out) + len(found.unasked)
    with asker.session.transaction():
        for leg in LEGS:
            means = {name: getattr(found.mean(leg), name) for name in ("recall", "mrr", "ndcg")}
            asker.session.execute(
                "quality/record_quality",
                means
                | {
                    "publish_id": found.publish_id, "space": found.space, "leg": leg, "digest": digest,
                    "run_id": asker.run_id, "k": found.k, "questions": found.questions, "left_out": left_out,
                },
            )  # fmt: skip


def measure_index(asker: Asker) -> Measured:
    """Measure the vector index of each space, unless it is as it was after this publish.

    That is no change of the collection: a sweep alters an index too.
    """
    report = StageReport("index_health")
    newest = newest_publish(asker)
    if newest is None:
        return Measured(report, skipped="Nothing is published yet.")
    indexes = {}
    for space in read_spaces(asker.session):
        state = asker.session.record("quality/read_index", {"space_id": space.space_id})
        known = {"publish_id": newest["publish_id"], "space": space.name, "state": state["state"]}
        if asker.session.value("quality/has_health", known):
            continue
        health = _health(asker, space, state)
        asker.session.execute("quality/record_health", known | health | {"run_id": asker.run_id})
        indexes[space.name] = health
    if not indexes:
        return Measured(report, skipped="The index is as it was after this publish.")
    for name, health in indexes.items():
        report.counts |= {f"vectors {name}": health["vectors"], f"retired {name}": health["retired"]}
        if health["recall"] is not None:
            report.figures[f"recall@10 of the index {name}"] = health["recall"]
    return Measured(report, indexes=indexes)


def _health(asker: Asker, space: KnownSpace, state: dict[str, Any]) -> dict[str, Any]:
    session = asker.session
    vectors = int(session.value("upkeep/count_vectors", vectors=space.table))
    sample = max(LEAST_SAMPLE, min(LARGEST_SAMPLE, EXACT_DISTANCES // max(1, vectors)))
    recall = _recall(session, asker, space, sample) if state["valid"] else {"sample": 0, "recall": None}
    return {
        "vectors": vectors,
        "retired": int(state["retired"]),
        "bytes": state["bytes"],
        "valid": state["valid"],
        "planned": vectors > 0 and _is_planned(session, space, state["named"]),
        "rebuild_due": is_due(session, space.space_id),
        **recall,
    }


def _recall(session: Session, asker: Asker, space: KnownSpace, sample: int) -> dict[str, Any]:
    """Compare the index with exact search, through the settings that `verify` looks with."""
    params = {"collection_id": asker.collection_id, "seed": zlib.crc32(asker.run_id.encode()), "sample": sample}
    threshold = session.connection.prepare_threshold
    session.connection.prepare_threshold = None  # A prepared plan would not heed the settings.
    try:
        with session.transaction():
            session.value("verify/load_vector")
            session.value("verify/probe_through_index")
            return session.record("quality/measure_recall", params, vectors=space.table)
    finally:
        session.connection.prepare_threshold = threshold


def _is_planned(session: Session, space: KnownSpace, index: str) -> bool:
    embedding = session.value("quality/read_some_vector", vectors=space.table)
    plan = session.value(
        "quality/explain_nearest", {"embedding": embedding}, chunks=f"chunks_{space.name}", storage=space.storage
    )
    return f'"{index}"' in json.dumps(plan)


def missed(health: dict[str, Any]) -> bool:
    """Say whether the planner leaves an index unused that would pay."""
    return health["vectors"] > INDEX_PAYS and not health["planned"]


Measurement = Callable[[Asker], Measured]

MEASUREMENTS: dict[str, Measurement] = {"retrieval_quality": measure_retrieval, "index_health": measure_index}
"""What follows a publish, by stage."""


def run_measurement(bench: Workbench, name: str, run_id: str, stage: str) -> Measured:
    """Measure, time it, and write the report into the line of its run.

    Args:
        bench: settings and doors.
        name: the collection.
        run_id: of the refresh that it belongs to.
        stage: `retrieval_quality` or `index_health`.
    """
    bench.collection(name)
    started = time.perf_counter()
    with bench.database.connect() as session:
        known = session.records("refresh/read_collection", {"name": name})
        if not known:
            return Measured(StageReport(stage), skipped="Nothing is published yet.")
        asker = Asker(bench, session, name, known[0]["collection_id"], run_id)
        measured = MEASUREMENTS[stage](asker)
        measured.report.seconds = round(time.perf_counter() - started, 4)
        params = {"collection_id": asker.collection_id, "run_id": run_id, "stage": stage}
        session.execute("quality/record_report", params | {"report": json.dumps(asdict(measured.report))})
    return measured
