"""The vector spaces that a database keeps: probed once when they are made, then taken at their word for ever.

A kept space is filled, and then kept current: every publish of a collection demands vectors in each space in which the
collection is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.settings import Space
from assets.workbench import Workbench
from resources.errors import ConfigurationError
from resources.postgres import Session

UNIT_TOLERANCE = 0.01


@dataclass(frozen=True)
class KnownSpace:
    """A space as the database has it.

    Attributes:
        space_id: its number.
        name: names its table and view.
        model: asked for when passages are embedded.
        query_model: asked for when questions are.
        served_model: what the endpoint called its model when it was probed.
        dimensions: of every vector.
        storage: `vector` or `halfvec`.
        passage_prefix: before each passage.
        query_prefix: before each question.
        normalised: whether the model gives vectors of length 1.
        token_limit: what the model was seen to read of one input.
        max_inputs: what the endpoint was seen to take in one request.
        tokenizer: whose tokens were declared to count when it was made.
        live: whether readers see it as `search.chunks`.
        ready: whether it holds every published text, under an index.
    """

    space_id: int
    name: str
    model: str
    query_model: str
    served_model: str
    dimensions: int
    storage: str
    passage_prefix: str
    query_prefix: str
    normalised: bool
    token_limit: int
    max_inputs: int
    tokenizer: str
    live: bool
    ready: bool

    @property
    def table(self) -> str:
        """Name of the table that holds its vectors."""
        return f"vectors_{self.name}"


@dataclass(frozen=True)
class KeptSpace(KnownSpace):
    """A space as one collection meets it.

    Attributes:
        filled: whether the collection is complete in it.
        published: whether readers see anything of the collection.
    """

    filled: bool
    published: bool

    @property
    def demanded(self) -> bool:
        """Whether nothing is published that lacks a vector here.

        So it is in the live space, and where the collection is complete. A collection that nobody sees yet does not
        spoil a space that holds all that is published.
        """
        return self.live or self.filled or (self.ready and not self.published)


def find_space(session: Session, name: str) -> KnownSpace | None:
    """Return a space by name, if the database keeps it."""
    return next((space for space in read_spaces(session) if space.name == name), None)


def read_spaces(session: Session) -> list[KnownSpace]:
    """Return all spaces that the database keeps, the live one first."""
    return session.rows(KnownSpace, "vectors/read_spaces")


def live_of(spaces: Sequence[KnownSpace]) -> KnownSpace | None:
    """Return the space that readers see; None on a fresh database.

    Args:
        spaces: all that are kept.
    """
    return next((space for space in spaces if space.live), None)


def read_kept(session: Session, collection_id: int) -> list[KeptSpace]:
    """Return all spaces as a collection meets them: the live one first, those that are being filled last."""
    return session.rows(KeptSpace, "vectors/read_kept_spaces", {"collection_id": collection_id})


def check_declared(bench: Workbench, kept: Sequence[KnownSpace]) -> None:
    """Make sure that collections.yaml declares what the database keeps, as it was made.

    Raises:
        ConfigurationError: a space is not declared any more, or otherwise than it was made.
    """
    for space in kept:
        if space.name not in bench.spaces:
            raise ConfigurationError(_undeclared(bench, space))
        compare(space, bench.spaces[space.name])


def _undeclared(bench: Workbench, space: KnownSpace) -> str:
    declared = ", ".join(bench.spaces)
    begin = f"The database keeps the space {space.name} (model {space.model}), but collections.yaml declares {declared}"
    if not space.live:
        return f"{begin}: declare {space.name} again, or drop it with `suimon space drop {space.name}`."
    return (
        f"{begin}: declare {space.name} again, for readers see it; to change the model, declare both, run `suimon "
        f"space add {bench.first_space}` and `suimon space promote {bench.first_space}`, then `suimon space drop "
        f"{space.name}`."
    )


def make_space(session: Session, name: str, probed: Mapping[str, Any]) -> KnownSpace:
    """Write a space, its table and its views, all or nothing; the first one of a database is live.

    Args:
        session: outside a transaction.
        name: of the space.
        probed: what its endpoint was found to give.
    """
    with session.transaction():  # One process at a time makes one.
        session.execute("vectors/lock_spaces")
        session.execute("vectors/insert_space", {"name": name, **probed})
        known = find_space(session, name)
        assert known is not None, "a space that was just written"
        session.execute("vectors/create_space_table", {"space_id": known.space_id})
    return known


def ensure_spaces(bench: Workbench, session: Session, collection_id: int) -> list[KeptSpace]:
    """Return the kept spaces as a collection meets them; on a fresh database, make the first declared one.

    Raises:
        ConfigurationError: a declaration contradicts a space that is kept, or its endpoint does not answer.
    """
    kept = read_kept(session, collection_id)
    if not kept:
        from assets.vectors.probe import first_contact

        make_space(session, bench.first_space, first_contact(bench, bench.first_space))
        kept = read_kept(session, collection_id)
    check_declared(bench, kept)
    return kept


def compare(known: KnownSpace, declared: Space) -> None:
    """Make sure that a space is declared as it was made.

    Raises:
        ConfigurationError: it is not; vectors of two models cannot be compared.
    """
    differing = [
        f"{label} {was!r} (declared: {now!r})"
        for label, was, now in (
            ("model", known.model, declared.model),
            ("query_model", known.query_model, declared.query_model or declared.model),
            ("dimensions", known.dimensions, declared.dimensions or known.dimensions),
            ("passage_prefix", known.passage_prefix, declared.passage_prefix),
            ("query_prefix", known.query_prefix, declared.query_prefix),
        )
        if was != now
    ]
    if differing:
        raise ConfigurationError(
            f"Space {known.name} was made with {', '.join(differing)}; vectors of two models cannot be compared, so "
            "declare it as it was made, and another model as a space of another name; `suimon space add` fills it."
        )
