"""Faults put into the product on purpose, to see that somebody notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from assets.refresh import Refresh


def publishes_piece_by_piece() -> None:
    """Let every statement of the publish commit by itself."""
    whole = Refresh.writing

    @contextmanager
    def writing(self: Refresh, *, repeatable_read: bool = False) -> Iterator[None]:
        if repeatable_read:  # Only the publish asks for it.
            yield
            return
        with whole(self):
            yield

    Refresh.writing = writing  # type: ignore[method-assign]
