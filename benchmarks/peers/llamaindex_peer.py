"""LlamaIndex's IngestionPipeline into its PGVectorStore, with a docstore and UPSERTS.

The asynchronous path is used throughout: `arun` sends all embedding requests at once, where
`run` sends them one after another. The docstore makes it incremental by document: a file
whose text changed is deleted from the table and embedded again as a whole. It lives in
memory here, the fastest there is, and would be lost with the process; with `--durable` it
is loaded before and persisted after each refresh, as the documentation has it. The
transformation cache is off, since the docstore already skips what did not change and the
cache costs a copy of every vector.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import sqlalchemy as sa
from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import MarkdownNodeParser
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.vector_stores.postgres import PGVectorStore
from protocol import BATCH, DIMENSIONS, MODEL, Setting, run, with_driver
from sqlalchemy.ext.asyncio import create_async_engine

TABLE = "chunks"  # LlamaIndex prefixes it with data_


class WholeFileReader(BaseReader):
    """One document a file, its text as it stands; headings are the node parser's business."""

    def load_data(self, file: Path, extra_info: dict[str, object] | None = None) -> list[Document]:
        """Read one file."""
        return [Document(text=file.read_text(encoding="utf-8"), metadata=extra_info or {})]


class LlamaIndex:
    """The engine behind the protocol."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._persisted = setting.state / "pipeline"
        self._loop = asyncio.new_event_loop()
        self._engine = sa.create_engine(with_driver(setting.database, "psycopg2"))
        self._async_engine = create_async_engine(with_driver(setting.database, "asyncpg"))
        self._embedding = OpenAIEmbedding(
            model=MODEL,
            api_base=f"{setting.endpoint}/v1",
            api_key="unused",
            embed_batch_size=BATCH,
        )
        self._pipeline = self._new_pipeline()

    def wipe(self) -> None:
        """Drop the table, forget the documents."""
        with self._engine.begin() as connection:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS data_{TABLE}"))
        shutil.rmtree(self._persisted, ignore_errors=True)
        self._pipeline = self._new_pipeline()

    def refresh(self, _phase: str) -> None:
        """Read the folder and run the pipeline over it."""
        if self._setting.durable and self._persisted.exists():
            self._pipeline.load(str(self._persisted))
        self._loop.run_until_complete(self._run())
        if self._setting.durable:
            self._pipeline.persist(str(self._persisted))

    def count_rows(self, word: str) -> int:
        """Rows whose text holds a word."""
        # Every string holds the empty one, at its first position.
        query = sa.text(f"SELECT count(*) FROM data_{TABLE} WHERE strpos(text, :word) > 0")  # noqa: S608
        with self._engine.connect() as connection:
            return int(connection.execute(query, {"word": word}).scalar_one())

    async def _run(self) -> None:
        reader = SimpleDirectoryReader(
            input_dir=str(self._setting.corpus),
            recursive=True,
            required_exts=[".md"],
            exclude_hidden=False,  # the folder may lie below a dotted one
            filename_as_id=True,
            file_extractor={".md": WholeFileReader()},
        )
        await self._pipeline.arun(documents=reader.load_data())

    def _new_pipeline(self) -> IngestionPipeline:
        store = PGVectorStore(
            connection_string=with_driver(self._setting.database, "psycopg2"),
            async_connection_string=with_driver(self._setting.database, "asyncpg"),
            engine=self._engine,
            async_engine=self._async_engine,
            table_name=TABLE,
            embed_dim=DIMENSIONS,
            cache_ok=True,
        )
        return IngestionPipeline(
            transformations=[MarkdownNodeParser(), self._embedding],
            docstore=SimpleDocumentStore(),
            docstore_strategy=DocstoreStrategy.UPSERTS,
            vector_store=store,
            disable_cache=True,
        )


if __name__ == "__main__":
    run(LlamaIndex)
