"""The sensor: notices collections that are new in `collections.yaml`, and sources that changed.

It reads the declaration anew at every tick, so that a new collection becomes a partition without a
reload. A source is listed only where its collection says `watch: true`, and never read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets import partitions
from assets.documents.gathering import Gatherer
from assets.documents.marks import read_marks
from assets.documents.scan import Comparison, Known
from assets.workbench import Workbench
from pipelines.workbench import make_workbench
from resources.errors import SuimonError

TICK_SECONDS = 60


def change_digest(bench: Workbench, name: str) -> str | None:
    """Return a digest of how a source differs from what is known of it, or None if it does not."""
    digest = hashlib.sha256()
    differs = False
    with bench.database.connect() as session:
        rows = session.records("refresh/read_collection", {"name": name})
        params = {"collection_id": rows[0]["collection_id"] if rows else 0}
        # The last refresh is part of it: a change that comes again after it was undone is a change again.
        digest.update(str(session.value("refresh/read_last_refresh", params)).encode())
        known = session.stream(Known, "documents/read_known_documents", params)
        gatherer = Gatherer(bench, name)
        listing = read_marks(session, name, params["collection_id"]).passing(gatherer.source.list(), Counter())
        for difference in Comparison(listing, known, gatherer.stamp):
            entry, before = difference.entry, difference.known
            if before and entry and difference.content and before.stamp == entry.stamp:
                continue  # Only its stamp is too young to be trusted: the nightly refresh settles that.
            uri = (entry or before).uri  # type: ignore[union-attr]
            stamp = f"{entry.stamp} {gatherer.stamp(entry)}" if entry else "gone"
            digest.update(f"{uri}\0{stamp}\0".encode())
            differs = True
    return digest.hexdigest()[:16] if differs else None


def source_changed_sensor(job: Any) -> dg.SensorDefinition:
    """Return the sensor."""

    @dg.sensor(
        name="source_changed",
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Registers collections that are new in collections.yaml, and refreshes those whose source changed.",
    )
    def source_changed(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        try:
            bench = make_workbench()
        except SuimonError as error:
            yield dg.SkipReason(str(error))
            return
        partitions.register(context.instance, bench.collections)
        asked = False
        for name, settings in bench.collections.items():
            if not settings.watch:
                continue
            try:
                digest = change_digest(bench, name)
            except SuimonError as error:
                context.log.warning(str(error))
                continue
            if digest is not None:
                asked = True
                yield dg.RunRequest(run_key=f"{name}-{digest}", partition_key=name, tags={"suimon/collection": name})
        if not asked:
            yield dg.SkipReason("no watched source changed")

    return source_changed
