"""A client of the declared table: what the MCP server, answers and a terminal ask through."""

from __future__ import annotations

from assets.workbench import Workbench
from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.embedding import Embedder, EndpointEmbedder, EndpointsEmbedder
from pipelines.frameworks.refusals import PLAIN, Wording


def reading_client(
    bench: Workbench, role: str | None = None, *, deadline_seconds: float = 120.0, wording: Wording = PLAIN
) -> SearchClient:
    """Return a client that asks the declared database as somebody, and embeds with the live space's own endpoint.

    Args:
        bench: settings and doors; what is bundled is started when it is first needed.
        role: the database role that asks; by default the reader role.
        deadline_seconds: for each statement; 0 for none. The endpoint has its declared one.
        wording: how refusals are put.
    """

    def of_space(name: str) -> Embedder:
        return EndpointEmbedder(bench.endpoint_of(name), bench.space(name).dimensions)

    return SearchClient(
        bench.doors.database_url(),  # A login that only reads cannot look at the ledger of migrations.
        embed=EndpointsEmbedder(of_space),
        role=role,
        prefix=bench.names.prefix,
        deadline_seconds=deadline_seconds,
        wording=wording,
    )
