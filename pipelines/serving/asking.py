"""A client of the declared table: what the MCP server and answers ask through."""

from __future__ import annotations

from assets.workbench import Workbench
from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.embedding import Embedder, EndpointEmbedder, EndpointsEmbedder


def reading_client(bench: Workbench, role: str | None = None) -> SearchClient:
    """Return a client that asks the declared database as somebody, and embeds with the live space's own endpoint.

    Args:
        bench: settings and doors; what is bundled is started when it is first needed.
        role: the database role that asks; by default the reader role.
    """

    def of_space(name: str) -> Embedder:
        return EndpointEmbedder(bench.endpoint_of(name), bench.space(name).dimensions)

    return SearchClient(
        bench.doors.database_url(),  # A login that only reads cannot look at the ledger of migrations.
        embed=EndpointsEmbedder(of_space),
        role=role,
        prefix=bench.names.prefix,
        deadline_seconds=120,
    )
