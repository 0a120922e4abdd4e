"""CocoIndex 1.x as its text-embedding example has it, on an OpenAI-compatible endpoint.

Files are processed concurrently by the engine (1,024 components in flight is its default),
chunks are split in Rust, single texts are gathered into requests by its batched functions,
and both the file and the embedding of a text are memoized, so that one edited paragraph
sends one text. The embedding function is a batched one of our own over the OpenAI client,
not the LiteLLM operator that ships with it, which asks for vectors as JSON numbers and is
slower. Rows are keyed by file and offset, and a chunk is a plain coroutine: the example's
generated ids and component function for each chunk cost a fifth of the cold run. State
lives in CocoIndex's own LMDB, where it is durable.
"""

from __future__ import annotations

import asyncio
import base64
import pathlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import asyncpg  # type: ignore[import-untyped]
import cocoindex as coco
import numpy as np
from cocoindex.connectors import localfs, postgres
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.chunk import Chunk
from cocoindex.resources.file import FileLike, PatternFilePathMatcher
from cocoindex.resources.schema import VectorSchema
from numpy.typing import NDArray
from openai import AsyncOpenAI
from protocol import BATCH, DIMENSIONS, MODEL, Setting, run

TABLE = "chunks"
CHUNK_BYTES = 1000
MIN_CHUNK_BYTES = 500

POOL = coco.ContextKey[asyncpg.Pool]("bench_pool")

_splitter = RecursiveSplitter()


@dataclass
class Row:
    """One chunk as a row of the table."""

    filename: str
    chunk_start: int
    chunk_end: int
    text: str
    embedding: Annotated[NDArray[np.float32], VectorSchema(dtype=np.dtype(np.float32), size=DIMENSIONS)]


class Embedder:
    """Embeds one text; concurrent calls share requests of up to a batch."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    @coco.fn.as_async(batching=True, max_batch_size=BATCH)
    async def _embed(self, texts: list[str]) -> list[NDArray[np.float32]]:
        answer = await self._client.embeddings.create(model=MODEL, input=texts, encoding_format="base64")
        # The client leaves base64 alone when it was asked for by name.
        return [np.frombuffer(base64.b64decode(str(item.embedding)), dtype=np.float32) for item in answer.data]

    @coco.fn(memo=True)
    async def embed(self, text: str) -> NDArray[np.float32]:
        """The vector of a text, from the memo if it was embedded before."""
        vector: NDArray[np.float32] = await self._embed(text)
        return vector

    def __coco_memo_key__(self) -> object:
        return MODEL


EMBEDDER = coco.ContextKey[Embedder]("bench_embedder")


async def _declare_chunk(chunk: Chunk, filename: pathlib.PurePath, table: postgres.TableTarget[Row]) -> None:
    table.declare_row(
        row=Row(
            filename=str(filename),
            chunk_start=chunk.start.char_offset,
            chunk_end=chunk.end.char_offset,
            text=chunk.text,
            embedding=await coco.use_context(EMBEDDER).embed(chunk.text),
        )
    )


@coco.fn(memo=True)
async def process_file(file: FileLike[pathlib.Path], table: postgres.TableTarget[Row]) -> None:
    """Split one file; skipped altogether while the file stays as it is."""
    chunks = _splitter.split(
        await file.read_text(),
        chunk_size=CHUNK_BYTES,
        min_chunk_size=MIN_CHUNK_BYTES,
        language="markdown",
    )
    filename = file.file_path.path
    await asyncio.gather(*(_declare_chunk(chunk, filename, table) for chunk in chunks))


@coco.fn
async def process_folder(folder: pathlib.Path) -> None:
    """The whole pipeline: the table, and a component for each Markdown file."""
    table = await postgres.mount_table_target(
        POOL,
        table_name=TABLE,
        table_schema=await postgres.TableSchema.from_class(Row, primary_key=["filename", "chunk_start"]),
    )
    files = localfs.walk_dir(folder, recursive=True, path_matcher=PatternFilePathMatcher(included_patterns=["**/*.md"]))
    await coco.mount_each(process_file, files.items(), table)


class CocoIndex:
    """The engine behind the protocol."""

    def __init__(self, setting: Setting) -> None:
        @coco.lifespan
        async def provide(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
            builder.settings.db_path = setting.state / "cocoindex"
            client = AsyncOpenAI(base_url=f"{setting.endpoint}/v1", api_key="unused")
            async with asyncpg.create_pool(setting.database) as pool:
                builder.provide(POOL, pool)
                builder.provide(EMBEDDER, Embedder(client))
                yield

        self._database = setting.database
        self._app = coco.App(coco.AppConfig(name="bench"), process_folder, folder=setting.corpus)
        coco.start_blocking()

    def wipe(self) -> None:
        """Drop the app: its rows, its table and everything it memoized."""
        self._app.drop_blocking()

    def refresh(self, _phase: str) -> None:
        """One update of the app."""
        self._app.update_blocking()

    def count_rows(self, word: str) -> int:
        """Rows whose text holds a word."""
        return asyncio.run(self._count_rows(word))

    async def _count_rows(self, word: str) -> int:
        # Every string holds the empty one, at its first position.
        query = f"SELECT count(*) FROM {TABLE} WHERE strpos(text, $1) > 0"  # noqa: S608
        connection = await asyncpg.connect(self._database)
        try:
            return int(await connection.fetchval(query, word))
        finally:
            await connection.close()


if __name__ == "__main__":
    run(CocoIndex)
