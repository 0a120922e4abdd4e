"""What a person sees of a stage in the Dagster UI."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assets.auditing.suite import AuditResult
from assets.elements.reasons import REASONS
from assets.quality.verdict import QualityFell, broken_table
from assets.refresh import StageReport

WHAT_NEXT = (
    "`suimon status` lists what is held back, as does the view `search.quarantine`; `suimon retry` tries it again."
)


def column_schema(columns: Mapping[str, tuple[str, str]]) -> dg.TableSchema:
    """Describe a table: (type, description) by column."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name, type=kind, description=text) for name, (kind, text) in columns.items()]
    )


def of_report(report: StageReport) -> dict[str, Any]:
    """Return the counts of a stage, its seconds and cost as numbers that Dagster plots, and what it held back."""
    metadata: dict[str, Any] = {name: dg.MetadataValue.int(count) for name, count in report.counts.items()}
    metadata["seconds"] = dg.MetadataValue.float(report.seconds)
    metadata["changed"] = dg.MetadataValue.bool(report.changed)
    metadata |= {name: dg.MetadataValue.float(value) for name, value in report.figures.items()}
    if report.cost is not None:
        metadata["cost"] = dg.MetadataValue.float(float(report.cost))
        metadata["currency"] = dg.MetadataValue.text(report.currency)
    if report.quarantined:
        metadata["quarantined"] = dg.MetadataValue.int(sum(report.quarantined.values()))
        metadata["quarantined by reason"] = dg.MetadataValue.md(_reasons(report.quarantined))
    if report.notes:
        metadata["notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in report.notes))
    refused = report.counts.get("refused", 0)
    if refused:
        metadata["refused chunks"] = dg.MetadataValue.md(f"The endpoint refused {refused} texts. {WHAT_NEXT}")
    return metadata


def _reasons(quarantined: Mapping[str, int]) -> str:
    """Write the reasons as a table, with what each means and where to go from there."""
    rows = "\n".join(
        f"| `{reason}` | {count} | {REASONS.get(reason, '')} |" for reason, count in sorted(quarantined.items())
    )
    return f"| reason | documents | what it is; what to do |\n|---|---|---|\n{rows}\n\n{WHAT_NEXT}"


def of_failure(error: BaseException) -> dict[str, Any]:
    """Return what a failure shows beside its sentence: the golden questions that broke, and by how much."""
    if not isinstance(error, QualityFell):
        return {}
    figures = error.figures
    shown: dict[str, Any] = {"broken questions": dg.MetadataValue.md(broken_table(figures))}
    for measure in figures["fallen"]:
        shown[f"{measure} before"] = dg.MetadataValue.float(figures["before"][measure])
        shown[f"{measure} after"] = dg.MetadataValue.float(figures["after"][measure])
    return shown


def of_audit(result: AuditResult) -> dict[str, Any]:
    """Return what an audit counted, and where its page is."""
    metadata: dict[str, Any] = {
        "rows audited": dg.MetadataValue.int(result.rows),
        "findings": dg.MetadataValue.int(result.findings),
        "documents quarantined": dg.MetadataValue.int(result.held_back),
    }
    if result.report:
        metadata["data docs"] = dg.MetadataValue.path(result.report)
    return metadata


def histogram(values: Sequence[int], label: str, limit: int | None = None) -> dg.MarkdownMetadataValue:
    """Draw how values are spread, as an image inside Markdown.

    Args:
        values: what to draw.
        label: of the horizontal axis.
        limit: drawn as a line, if there is one.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=min(40, max(5, len(set(values)))), color="#2f6f8f")
    if limit is not None:
        axes.axvline(limit, color="#b5482a", linewidth=1)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![{label}](data:image/png;base64,{encoded})")
