"""LlamaIndex's retriever over the published table; wants the extra `llamaindex`."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import MetadataFilters

from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.filters import of_llamaindex
from pipelines.frameworks.passages import Mode, Passage

SHOWN_TO_A_MODEL = frozenset({"title", "uri", "heading_path", "pages"})
"""What LlamaIndex puts before the text in a prompt; the rest is for the program."""


class SuimonRetriever(BaseRetriever):
    """Passages as LlamaIndex's nodes with their scores, best first."""

    def __init__(
        self,
        client: SearchClient,
        *,
        similarity_top_k: int = 10,
        filters: MetadataFilters | None = None,
        mode: Mode = "hybrid",
        neighbours: int = 0,
        **base: Any,
    ) -> None:
        """Describe what is asked of each question.

        Args:
            client: asks the database.
            similarity_top_k: passages at most.
            filters: which documents; `text_match` has no counterpart, since that is what a question is.
            mode: `hybrid`, `semantic` or `lexical`.
            neighbours: passages before and after each one, in its metadata.
            base: settings of LlamaIndex's own, as its callback manager.
        """
        super().__init__(**base)
        self._client = client
        self._settings: dict[str, Any] = {
            "k": similarity_top_k,
            "filter": of_llamaindex(filters.model_dump(mode="json")) if filters is not None else None,
            "mode": mode,
            "neighbours": neighbours,
        }

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._client.search(query_bundle.query_str, **self._settings))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await self._client.asearch(query_bundle.query_str, **self._settings))


def _nodes(passages: list[Passage]) -> list[NodeWithScore]:
    found = []
    for passage in passages:
        metadata = passage.metadata
        node = TextNode(
            id_=passage.id,
            text=passage.text,
            metadata=metadata,
            excluded_llm_metadata_keys=sorted(metadata.keys() - SHOWN_TO_A_MODEL),
            excluded_embed_metadata_keys=sorted(metadata),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=passage.document)},
        )
        found.append(NodeWithScore(node=node, score=passage.score))
    return found
