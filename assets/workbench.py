"""What every stage is handed: the declaration as values, and the doors to the outside world.

One object a process. Doors open when they are first needed, so that a refresh with nothing to do starts
neither a parser nor an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from assets.answers.settings import Answers
from assets.lease import Lease
from assets.llm import Llm, limits_name, open_endpoint
from assets.settings import Collection, Space
from resources.embedding_endpoint import EmbeddingEndpoint
from resources.errors import ConfigurationError
from resources.llm_endpoint import LlmEndpoint
from resources.migrator import migrate, read_state
from resources.pacing import host_of
from resources.parser_pool import ParserPool
from resources.postgres import Database, Names
from resources.rate_limiter import RateLimiter
from resources.sources import Globs, Source, open_source


class Progress(Protocol):
    """Somebody who wants to know how far a long stage is."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Hear that `done` of `total` items of a stage are finished."""
        ...


def silent(stage: str, done: int, total: int | None) -> None:
    """Tell nobody."""


def never() -> bool:
    """Say no."""
    return False


@dataclass(frozen=True)
class Doors:
    """How the outside world is found.

    Attributes:
        database_url: gives the DSN; starts the embedded Postgres if that is what is declared.
        embedding_url: gives the base URL of the bundled embedding server, starting it if needed.
        llm_url: likewise of the small LLM of the extra local-llm.
    """

    database_url: Callable[[], str]
    embedding_url: Callable[[], str]
    llm_url: Callable[[], str] = lambda: ""


@dataclass
class Workbench:
    """Settings and doors.

    Attributes:
        collections: the declared collections, by name.
        spaces: the declared spaces, by name. Which of them the database keeps, and which readers see, is its state;
            on a fresh database the first becomes live.
        llm: the declared LLM, if any.
        answers: how questions are answered.
        root: the folder that relative sources start from.
        doors: how the outside world is found.
        names: schemas and roles.
        state_folder: where files of the project's own go (Data Docs).
        progress: told how far long stages are.
        gives_way: asked now and then whether this run should end soon because somebody waits for it; what follows
            the text heeds it.
        lease_seconds: how long a lease outlives its holder.
        lease_wait_seconds: how long a refresh waits for another one of its collection.
        parsers: parser processes side by side; by default one a core.
        rebuild: whether this refresh does again what an older version had done.
        retry: whether this refresh tries quarantined documents again.
        accept_deletions: whether a person confirmed that documents may go.
        accept_growth: whether a person confirmed that so many documents may come.
        accept_quality: whether a person confirmed that golden questions may fare worse.
        because: why, in that person's words.
        asked_by: who runs this process, or launched this run.
        index_memory_mb: most memory that building a vector index takes, in MiB.
        fill_seconds: how long a refresh that has something to publish goes on filling a space before it does.
        leases: what this process holds, by collection.
    """

    collections: Mapping[str, Collection]
    spaces: Mapping[str, Space]
    root: Path
    doors: Doors
    llm: Llm | None = None
    answers: Answers = field(default_factory=lambda: Answers.model_validate({}))
    names: Names = field(default_factory=Names)
    state_folder: Path = Path(".suimon")
    progress: Progress = silent
    gives_way: Callable[[], bool] = never
    lease_seconds: float = 30.0
    lease_wait_seconds: float = 45.0
    parsers: int | None = None
    rebuild: bool = False
    retry: bool = False
    accept_deletions: bool = False
    accept_growth: bool = False
    accept_quality: bool = False
    because: str = ""
    asked_by: str = ""
    index_memory_mb: int = 2048
    fill_seconds: float = 600.0
    leases: dict[str, Lease] = field(default_factory=dict, repr=False)
    _endpoints: dict[str, EmbeddingEndpoint] = field(default_factory=dict, init=False, repr=False)

    def collection(self, name: str) -> Collection:
        """Return a declared collection.

        Raises:
            ConfigurationError: it is not declared (any more).
        """
        if name not in self.collections:
            raise ConfigurationError(
                f"The collection {name!r} is not declared in collections.yaml; declare it again, or leave it as it is."
            )
        return self.collections[name]

    def source(self, name: str) -> Source:
        """Open the source of a declared collection."""
        declared = self.collection(name)
        globs = Globs(declared.include, declared.left_out)
        options = dict(declared.storage_options)
        return open_source(declared.source, self.root, globs, options, follow_links=declared.follow_links)

    @cached_property
    def database(self) -> Database:
        """The database, reached and brought up to this version's schema."""
        database = Database(self.doors.database_url(), self.names)
        if not read_state(database).current:
            migrate(database)
        return database

    @cached_property
    def database_as_it_is(self) -> Database:
        """The database for commands that only look: reached, and changed in nothing.

        Raises:
            ConfigurationError: its schema is missing or of another version.
        """
        database = Database(self.doors.database_url(), self.names)
        if not read_state(database).current:
            raise ConfigurationError(
                "The database has no schema of this version yet; run `suimon refresh`, or `suimon migrate`, first."
            )
        return database

    @cached_property
    def ledger(self) -> Database | None:
        """The database where what an LLM is asked is counted; None for a login that may only read.

        Nothing is migrated for it: whoever asks a question has not asked for that.
        """
        if "database" in self.__dict__:
            return self.database
        try:
            with self.database_as_it_is.connect():
                return self.database_as_it_is
        except ConfigurationError:
            return None

    @cached_property
    def parser_pool(self) -> ParserPool:
        """The parser processes."""
        return ParserPool(
            "assets.elements.parsing:parse_packed", preload=("assets.elements.preload",), processes=self.parsers
        )

    def space(self, name: str) -> Space:
        """Return a declared space.

        Raises:
            ConfigurationError: it is not declared (any more).
        """
        if name not in self.spaces:
            raise ConfigurationError(
                f"The space {name!r} is not declared in collections.yaml, which declares {', '.join(self.spaces)}."
            )
        return self.spaces[name]

    @property
    def first_space(self) -> str:
        """Name of the space that becomes live on a fresh database."""
        return next(iter(self.spaces))

    def endpoint_of(self, name: str) -> EmbeddingEndpoint:
        """Return the endpoint of a declared space; the limits of one host are kept by all spaces together.

        What a refresh asks is paced together with all other processes on its database. A command that only
        looks has no right to write there: its one short question is sent at once.

        Args:
            name: of the space.

        Raises:
            ConfigurationError: it is not declared.
        """
        if name not in self._endpoints:
            declared, refreshes = self.space(name), "database" in self.__dict__
            base_url = declared.base_url or self.doors.embedding_url()
            key = declared.api_key
            limits = declared.requests_per_minute, declared.tokens_per_minute
            self._endpoints[name] = EmbeddingEndpoint(
                base_url=base_url,
                api_key=key.get_secret_value() if key else None,
                concurrency=declared.concurrency,
                deadline_seconds=declared.deadline_seconds,
                pacer=RateLimiter(self.database, host_of(base_url), *limits) if refreshes else None,
                keeps=refreshes,
            )
        return self._endpoints[name]

    @property
    def declared_llm(self) -> Llm:
        """The declared LLM.

        Raises:
            ConfigurationError: none is declared.
        """
        if self.llm is None:
            raise ConfigurationError(
                "This needs an LLM, and collections.yaml declares none: add `llm` with its base_url and model, or "
                "`llm: {local: true}` for the small one that `make local-llm` installs."
            )
        return self.llm

    def open_llm(self, *, keeps: bool = False) -> LlmEndpoint:
        """Return a door to the declared LLM that nobody else opens or closes.

        What it is asked is paced together with all other processes on the database, where this login may write there.

        Args:
            keeps: whether its answers are kept as they come, which a failure then says.

        Raises:
            ConfigurationError: none is declared, or the extra that it needs is not installed.
        """
        llm = self.declared_llm
        base_url = llm.base_url or self.doors.llm_url()
        limits = llm.requests_per_minute, llm.tokens_per_minute
        paced = RateLimiter(self.ledger, limits_name(base_url), *limits) if self.ledger is not None else None
        return open_endpoint(llm, base_url, paced, keeps=keeps)

    def close(self) -> None:
        """End the processes that were started."""
        if "parser_pool" in self.__dict__:
            self.parser_pool.close()
            del self.__dict__["parser_pool"]
