"""What an audit is, as a value: bounds on a number, and what a finding means.

A stage's room declares its suite with these; the bridge turns them into Great Expectations and into the
SQL that finds the rows. Nothing here imports Great Expectations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal

Finding = Literal["quarantine", "block", "warn"]
"""What a finding does: holds its document back, stops the publish, or is only shown."""


@dataclass(frozen=True)
class Audit:
    """A claim about every row of a batch.

    Attributes:
        name: the check's name in Dagster, which reads as an assertion.
        description: what it protects from.
        batch: the query below `sql/queries/auditing` whose rows it looks at.
        column: the number that it looks at.
        minimum: smallest allowed value.
        maximum: largest allowed value.
        finding: what a row outside does.
        reason: the quarantine's reason code, for findings that hold a document back.
    """

    name: str
    description: str
    batch: str
    column: str
    minimum: float | None = None
    maximum: float | None = None
    finding: Finding = "block"
    reason: str = ""


@dataclass(frozen=True)
class Suite:
    """The audits of a stage.

    Attributes:
        stage: whose.
        audits: in the order in which they are shown.
        passes: the query that records what passed, if the publish asks for it by row.
        undo: the query that takes back what did not, so that the next refresh makes it again.
    """

    stage: str
    audits: tuple[Audit, ...]
    passes: str | None = None
    undo: str | None = None

    @property
    def batches(self) -> tuple[str, ...]:
        """The queries that the audits look at, each once."""
        return tuple(dict.fromkeys(audit.batch for audit in self.audits))

    @property
    def digest(self) -> str:
        """Identity of the rules: a recorded pass counts under these only."""
        return hashlib.sha256(json.dumps([asdict(audit) for audit in self.audits]).encode()).hexdigest()


@dataclass(frozen=True)
class AuditResult:
    """What an audit found.

    Attributes:
        audit: which.
        rows: rows looked at.
        findings: rows outside the bounds.
        held_back: documents put into quarantine for it.
        report: page of the Data Docs, if any were built.
    """

    audit: Audit
    rows: int = 0
    findings: int = 0
    held_back: int = 0
    report: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every row was within the bounds."""
        return self.findings == 0

    @property
    def blocks(self) -> bool:
        """Whether nothing may be published."""
        return not self.passed and self.audit.finding == "block"


def merge(results: Iterable[Iterable[AuditResult]]) -> list[AuditResult]:
    """Add up what the same audits found in several spaces."""
    merged: dict[str, AuditResult] = {}
    for result in (result for found in results for result in found):
        before = merged.get(result.audit.name)
        merged[result.audit.name] = (
            result
            if before is None
            else replace(
                result,
                rows=before.rows + result.rows,
                findings=before.findings + result.findings,
                held_back=before.held_back + result.held_back,
                report=result.report if result.findings > 0 or before.report is None else before.report,
            )
        )
    return list(merged.values())
