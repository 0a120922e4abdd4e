"""LangChain's retriever over the published table; wants the extra `langchain`."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.passages import Mode, Passage
from resources.errors import ConfigurationError


class SuimonRetriever(BaseRetriever):
    """Passages as LangChain's documents, best first, with `score` in their metadata.

    `invoke` and `ainvoke` take the same settings by name for one question: `retriever.invoke(words, k=3)`.

    Attributes:
        client: asks the database.
        k: passages at most.
        mode: `hybrid`, `semantic` or `lexical`.
        filter: which documents, in the grammar of docs/sql.md.
        neighbours: passages before and after each one, in its metadata.
    """

    client: SearchClient
    k: int = 4
    mode: Mode = "hybrid"
    filter: dict[str, Any] | None = None
    neighbours: int = 0

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **settings: Any
    ) -> list[Document]:
        del run_manager
        return _documents(self.client.search(query, **self._settings(settings)))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **settings: Any
    ) -> list[Document]:
        del run_manager
        return _documents(await self.client.asearch(query, **self._settings(settings)))

    def _settings(self, given: dict[str, Any]) -> dict[str, Any]:
        own = {"k": self.k, "mode": self.mode, "filter": self.filter, "neighbours": self.neighbours}
        if not given.keys() <= own.keys():
            strange = min(given.keys() - own.keys())
            raise ConfigurationError(f"There is no setting {strange!r} of a question; there are {', '.join(own)}.")
        return own | given


def _documents(passages: list[Passage]) -> list[Document]:
    return [Document(id=passage.id, page_content=passage.text, metadata=passage.metadata) for passage in passages]
