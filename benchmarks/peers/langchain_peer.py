"""LangChain's index() into langchain-postgres's PGVectorStore, with a SQL record manager.

The batch that index() works on is the whole folder, as its documentation advises, with
full clean-up and the record manager in a SQLite file, as in its examples: of the clean-up
modes and record stores tried, the fastest. Requests still carry 64 texts. LangChain offers
no concurrency within a batch: its client sends one request after another, and the store
writes and commits row by row.
"""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from langchain_classic.indexes import SQLRecordManager
from langchain_core.documents import Document
from langchain_core.indexing import aindex
from langchain_openai import OpenAIEmbeddings
from langchain_postgres import Column, PGEngine, PGVectorStore
from langchain_text_splitters import MarkdownHeaderTextSplitter
from protocol import BATCH, DIMENSIONS, MODEL, Setting, run, with_driver
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

TABLE = "chunks"
INDEX_BATCH = 5_000  # more than the folder has chunks


class LangChain:
    """The engine behind the protocol."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._records_path = setting.state / "records.sqlite"
        self._loop = asyncio.new_event_loop()
        self._engine = create_async_engine(with_driver(setting.database, "asyncpg"))
        self._postgres = PGEngine.from_engine(self._engine)
        self._records_engine = create_async_engine(f"sqlite+aiosqlite:///{self._records_path}")
        self._records = SQLRecordManager("bench", engine=self._records_engine)
        self._splitter = MarkdownHeaderTextSplitter([("#", "title"), ("##", "section")], strip_headers=False)
        self._embeddings = OpenAIEmbeddings(
            model=MODEL,
            base_url=f"{setting.endpoint}/v1",
            api_key=SecretStr("unused"),
            chunk_size=BATCH,
            check_embedding_ctx_length=False,  # else it sends token numbers, not text
        )

    def wipe(self) -> None:
        """Drop the table and the records."""
        self._loop.run_until_complete(self._wipe())

    def refresh(self, phase: str) -> None:
        """Read the folder and index it."""
        self._loop.run_until_complete(self._refresh(create=phase == "cold"))

    def count_rows(self, word: str) -> int:
        """Rows whose text holds a word."""
        return self._loop.run_until_complete(self._count_rows(word))

    async def _wipe(self) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(sa.text(f"DROP TABLE IF EXISTS {TABLE}"))
        await self._records_engine.dispose()
        self._records_path.unlink(missing_ok=True)

    async def _refresh(self, *, create: bool) -> None:
        if create:
            await self._postgres.ainit_vectorstore_table(
                TABLE, DIMENSIONS, id_column=Column("langchain_id", "TEXT", nullable=False)
            )
            await self._records.acreate_schema()
        store = await PGVectorStore.create(self._postgres, self._embeddings, TABLE)
        await aindex(
            self._documents(),
            self._records,
            store,
            batch_size=INDEX_BATCH,
            cleanup="full",
            source_id_key="source",
            key_encoder="blake2b",
        )

    def _documents(self) -> list[Document]:
        documents: list[Document] = []
        for path in sorted(self._setting.corpus.rglob("*.md")):
            for chunk in self._splitter.split_text(path.read_text(encoding="utf-8")):
                chunk.metadata["source"] = str(path)
                documents.append(chunk)
        return documents

    async def _count_rows(self, word: str) -> int:
        # Every string holds the empty one, at its first position.
        query = sa.text(f"SELECT count(*) FROM {TABLE} WHERE strpos(content, :word) > 0")  # noqa: S608
        async with self._engine.connect() as connection:
            return int((await connection.execute(query, {"word": word})).scalar_one())


if __name__ == "__main__":
    run(LangChain)
