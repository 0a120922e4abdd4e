"""The assets `search/retrieval_quality` and `search/index_health`, which follow a publish."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets import metadata, partitions
from assets.auditing.suite import AuditResult
from assets.naming import Naming
from assets.quality.audits import outside, suite
from assets.quality.evaluation import worst_table
from assets.quality.stage import Measured, missed, run_measurement
from assets.shell import heed_tags, in_dagsters_terms

QUALITY_COLUMNS = {
    "collection": ("text", "Name of the collection."),
    "publish": ("integer", "Number of the publish in its collection."),
    "published_at": ("timestamptz", "When."),
    "space": ("text", "The space whose vectors were searched."),
    "leg": ("text", "semantic, lexical or hybrid, which is the default."),
    "k": ("integer", "Passages of each search that were looked at."),
    "recall": ("double precision", "Share of the answers among the first k, mean over questions."),
    "mrr": ("double precision", "1 by the position of the first answer, mean over questions."),
    "ndcg": ("double precision", "Normalised discounted cumulative gain of the first k, mean over questions."),
    "questions": ("integer", "Questions that were measured."),
    "left_out": ("integer", "Questions without a vector, or none of whose answers readers see."),
}

HEALTH_COLUMNS = {
    "collection": ("text", "Name of the collection."),
    "publish": ("integer", "Number of the publish in its collection."),
    "space": ("text", "The space."),
    "vectors": ("bigint", "Vectors in the index."),
    "retired": ("bigint", "Vectors removed since it was built."),
    "bytes": ("bigint", "Its size."),
    "valid": ("boolean", "Whether it is there and whole."),
    "recall": ("double precision", "Share of the ten nearest by exact search that it gives too."),
    "sample": ("integer", "Published vectors that this was measured with."),
    "planned": ("boolean", "Whether the planner uses it for the ten nearest."),
    "rebuild_due": ("boolean", "Whether it ought to be built anew."),
}


def build_measures(naming: Naming) -> list[dg.AssetsDefinition]:
    """Make both assets."""
    return [_retrieval_quality(naming), _index_health(naming)]


def _described(naming: Naming, stage: str, columns: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {
        "key": naming.key(stage),
        "deps": [naming.key("publication")],
        "partitions_def": partitions.collections,
        "group_name": "suimon",
        "kinds": {"postgres"},
        "owners": list(naming.owners),
        "code_version": "1",
        "required_resource_keys": {"workbench"},
        "metadata": {
            "dagster/column_schema": metadata.column_schema(columns),
            "dagster/table_name": f"search.{stage}",
        },
    }


def _measure(context: dg.AssetExecutionContext, stage: str) -> Measured:
    bench = context.resources.workbench
    with in_dagsters_terms():
        heed_tags(bench, context.run.tags)
        measured = run_measurement(bench, context.partition_key, context.run.run_id, stage)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in measured.report.figures.items())
    context.log.info(f"{context.partition_key}: {measured.skipped or figures}")  # noqa: G004  # Dagster shows it.
    return measured


def _retrieval_quality(naming: Naming) -> dg.AssetsDefinition:
    def retrieval_quality(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        measured = _measure(context, "retrieval_quality")
        further: dict[str, Any] = {}
        if measured.evaluation:
            further["worst questions"] = dg.MetadataValue.md(worst_table(measured.evaluation))
            if measured.evaluation.left_out:
                further["answers not published"] = dg.MetadataValue.text(", ".join(measured.evaluation.left_out))
        elif measured.skipped:
            further["not measured"] = dg.MetadataValue.text(measured.skipped)
        return dg.MaterializeResult(metadata={**metadata.of_report(measured.report), **further})

    made: dg.AssetsDefinition = dg.asset(
        **_described(naming, "retrieval_quality", QUALITY_COLUMNS),
        description=(
            "How well the collection's golden questions find their answers among what readers see: recall, MRR and "
            "nDCG of semantic, lexical and hybrid search. Without golden questions it does nothing."
        ),
    )(retrieval_quality)
    return made


def _index_health(naming: Naming) -> dg.AssetsDefinition:
    key = naming.key("index_health")

    def index_health(context: dg.AssetExecutionContext) -> Iterator[Any]:
        measured = _measure(context, "index_health")
        further: dict[str, Any] = {}
        for space, health in (measured.indexes or {}).items():
            further |= _numbers(space, health)
        if measured.skipped:
            further["not measured"] = dg.MetadataValue.text(measured.skipped)
        yield dg.MaterializeResult(
            metadata={**metadata.of_report(measured.report), **further},
            check_results=[
                dg.AssetCheckResult(
                    asset_key=key,
                    check_name=result.audit.name,
                    passed=result.passed,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata=metadata.of_audit(result),
                )
                for result in audited(measured.indexes or {})
            ],
        )

    made: dg.AssetsDefinition = dg.asset(
        **_described(naming, "index_health", HEALTH_COLUMNS),
        description=(
            "How healthy the vector index is: its recall against exact search over a sample of published vectors, "
            "removed vectors that it still leads through, whether it is whole and used, and whether a rebuild is due."
        ),
        check_specs=[
            dg.AssetCheckSpec(audit.name, asset=key, description=audit.description) for audit in suite().audits
        ],
    )(index_health)
    return made


def _numbers(space: str, health: dict[str, Any]) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        f"vectors of {space}": dg.MetadataValue.int(health["vectors"]),
        f"retired share of {space}": dg.MetadataValue.float(health["retired"] / max(1, health["vectors"])),
        f"size of the index {space} (bytes)": dg.MetadataValue.int(health["bytes"] or 0),
        f"index {space} is whole": dg.MetadataValue.bool(health["valid"]),
        f"index {space} is planned": dg.MetadataValue.bool(health["planned"]),
        f"index {space} is due for a rebuild": dg.MetadataValue.bool(health["rebuild_due"]),
    }
    if health["recall"] is not None:
        numbers[f"recall@10 of the index {space}"] = dg.MetadataValue.float(health["recall"])
        numbers[f"sample of {space}"] = dg.MetadataValue.int(health["sample"])
    return numbers


def audited(indexes: dict[str, dict[str, Any]]) -> list[AuditResult]:
    """Hold the numbers of each index to the bounds of the checks.

    Args:
        indexes: numbers by space.
    """
    numbers = [
        {
            "valid": health["valid"],
            "recall": 1.0 if health["recall"] is None else health["recall"],
            "missed": missed(health),
            "rebuild_due": health["rebuild_due"],
        }
        for health in indexes.values()
    ]
    return [
        AuditResult(audit, len(numbers), sum(outside(audit, float(each[audit.column])) for each in numbers))
        for audit in suite().audits
    ]
