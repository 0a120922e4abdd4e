"""Describing documents: what is declared of each, merged with what it says of itself, as typed values.

Runs once the documents are parsed, and touches only those for which something changed since. Nothing is parsed,
cut or embedded for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from assets.documents.metadata import merge, settings_digest
from assets.refresh import Growth, Refresh, StageReport

BATCH = 500


@dataclass(frozen=True)
class Undescribed:
    """A document whose metadata is due.

    Attributes:
        document_id: its number.
        plain: its metadata as if none were declared.
        declared: what was gathered of it, by place; null for an attachment whose mail is not known.
        properties: what it says of itself.
        title: of its parse.
        language: of its text.
        pages: how many.
        described_for: names what its metadata is made from.
    """

    document_id: int
    plain: dict[str, Any]
    declared: dict[str, Any] | None
    properties: dict[str, Any]
    title: str | None
    language: str | None
    pages: int
    described_for: str

    @property
    def found(self) -> dict[str, Any]:
        """What is known, by place: the document's own properties and front matter beside what was gathered."""
        own: dict[str, Any] = {"pages": self.pages or None, "title": self.title} | self.properties
        if self.language and self.language != "und":
            own["language"] = self.language
        front_matter = own.pop("front_matter", None)
        found = (self.declared or {}) | {"properties": own}
        return found | {"front_matter": front_matter} if isinstance(front_matter, dict) else found


def describe(refresh: Refresh, report: StageReport) -> None:
    """Write the metadata of the documents for which it is due; none where the collection declares none.

    Args:
        refresh: under way.
        report: of the stage that this ends.
    """
    if refresh.settings.metadata is None:
        return
    params = refresh.params | {"settings": settings_digest(refresh.settings.metadata)}
    growth = Growth()
    described = 0
    with refresh.bench.database.connect() as reader:
        due = reader.stream(Undescribed, "documents/read_undescribed", params, batch=BATCH)
        for batch in _batches(due):
            _write(refresh, batch)
            growth.add(refresh.session, len(batch))
            described += len(batch)
    report.changed |= described > 0
    problems = refresh.session.value("documents/count_problems", refresh.params)
    report.counts |= {"metadata_written": described, "metadata_problems": problems}


def _batches(due: Iterator[Undescribed]) -> Iterator[list[Undescribed]]:
    while batch := list(islice(due, BATCH)):
        yield batch


def _write(refresh: Refresh, batch: list[Undescribed]) -> None:
    metadata = refresh.settings.metadata
    if metadata is None:
        return
    merged = [merge(metadata, item.found) for item in batch]
    # A declared field that has no value shows none, also where the plain metadata has one of its name.
    kept = [{key: value for key, value in item.plain.items() if key not in metadata.fields} for item in batch]
    with refresh.writing():
        refresh.session.execute(
            "documents/describe_documents",
            {
                "document_ids": [item.document_id for item in batch],
                "plain": [_json(item.plain) for item in batch],
                "metadata": [_json(rest | values) for rest, (values, _) in zip(kept, merged, strict=True)],
                "problems": [_json(problems) for _, problems in merged],
                "described_for": [item.described_for for item in batch],
            },
        )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
