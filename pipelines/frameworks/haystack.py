"""Haystack's retriever component over the published table; wants the extra `haystack`.

Haystack reports usage to its makers unless told not to before its first import: this module tells it so.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy
from haystack.document_stores.types.filter_policy import apply_filter_policy
from haystack.utils import Secret

from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.filters import of_haystack
from pipelines.frameworks.passages import Mode, Passage


@component
class SuimonRetriever:
    """Passages as Haystack's documents, best first, with score and meta.

    It is described by values, so that a pipeline that holds it can be saved; secrets stay in the environment.
    """

    def __init__(
        self,
        dsn: Secret | None = None,
        *,
        base_url: str | None = None,
        api_key: Secret | None = None,
        dimensions: int | None = None,
        space: str | None = None,
        role: str | None = None,
        prefix: str = "",
        top_k: int = 10,
        filters: dict[str, Any] | None = None,
        mode: Mode = "hybrid",
        neighbours: int = 0,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        """Describe where to ask, and what of each question; nothing is opened yet.

        Args:
            dsn: a libpq connection string; by default what SUIMON_DATABASE_URL holds.
            base_url: the embedding endpoint up to `/v1`; without one only `lexical` works.
            api_key: of that endpoint.
            dimensions: as for `SearchClient`, like the next three.
            space: whose vectors are searched; by default the live one.
            role: the database role that asks; by default the reader role.
            prefix: `database.prefix` of collections.yaml.
            top_k: passages at most.
            filters: Haystack's own, translated.
            mode: `hybrid`, `semantic` or `lexical`.
            neighbours: passages before and after each one, in its meta.
            filter_policy: whether a run's filters replace these or are added to them.
        """
        self.dsn = dsn or Secret.from_env_var("SUIMON_DATABASE_URL")
        self.base_url, self.api_key, self.dimensions = base_url, api_key, dimensions
        self.space, self.role, self.prefix = space, role, prefix
        self.top_k, self.filters, self.mode, self.neighbours = top_k, filters, mode, neighbours
        self.filter_policy = filter_policy if isinstance(filter_policy, FilterPolicy) else FilterPolicy(filter_policy)
        self._client: SearchClient | None = None

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Ask a question.

        Args:
            query: in words.
            filters: by the filter policy, instead of the component's own or added to them.
            top_k: for this run.
        """
        return _documents(self._opened().search(query, **self._settings(filters, top_k)))

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Ask a question without blocking the event loop; arguments as for `run`."""
        return _documents(await self._opened().asearch(query, **self._settings(filters, top_k)))

    def to_dict(self) -> dict[str, Any]:
        """Return what a saved pipeline holds; of secrets, the names of their variables."""
        return default_to_dict(
            self, dsn=self.dsn, base_url=self.base_url, api_key=self.api_key, dimensions=self.dimensions,
            space=self.space, role=self.role, prefix=self.prefix, top_k=self.top_k, filters=self.filters,
            mode=self.mode, neighbours=self.neighbours, filter_policy=self.filter_policy.value,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SuimonRetriever:
        """Return the component of a saved pipeline."""
        found: SuimonRetriever = default_from_dict(cls, data)
        return found

    def _opened(self) -> SearchClient:
        if self._client is None:
            self._client = SearchClient(
                self.dsn.resolve_value() or "",
                base_url=self.base_url,
                api_key=self.api_key.resolve_value() if self.api_key else None,
                dimensions=self.dimensions,
                space=self.space,
                role=self.role,
                prefix=self.prefix,
            )
        return self._client

    def _settings(self, filters: dict[str, Any] | None, top_k: int | None) -> dict[str, Any]:
        wanted = apply_filter_policy(self.filter_policy, self.filters, filters)
        return {
            "k": self.top_k if top_k is None else top_k,
            "filter": of_haystack(wanted) if wanted else None,
            "mode": self.mode,
            "neighbours": self.neighbours,
        }


def _documents(passages: list[Passage]) -> dict[str, list[Document]]:
    return {
        "documents": [
            Document(id=passage.id, content=passage.text, meta=passage.metadata, score=passage.score)
            for passage in passages
        ]
    }
