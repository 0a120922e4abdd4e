"""The jobs: named selections of assets, each with a sentence that says when to launch it.

`refresh` is the only one: every stage and audit of one collection, in one process. Runs of different
collections go side by side; runs of one collection wait for each other by their tag (see
deploy/dagster.yaml) and, whatever the deployment, by the collection's lease.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

REFRESH = "refresh"


def refresh_job() -> Any:
    """Return the job that brings a collection up to date."""
    return dg.define_asset_job(
        REFRESH,
        selection=dg.AssetSelection.all(),
        description="Bring one collection up to date: scan, parse, cut, embed, audit and publish what changed.",
        executor_def=dg.in_process_executor,
    )
