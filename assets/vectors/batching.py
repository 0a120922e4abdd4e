"""Packing texts into requests, and finding the one that an endpoint refuses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A text without a vector.

    Attributes:
        text_id: its number.
        text: what is embedded.
        tokens: as counted when it was cut.
    """

    text_id: int
    text: str
    tokens: int


def pack(texts: Iterable[Text], max_inputs: int, max_tokens: int) -> Iterator[list[Text]]:
    """Pack texts into batches within an endpoint's limits, in order.

    A text that is over the token limit by itself gets a batch of its own: the endpoint decides.

    Args:
        texts: to embed.
        max_inputs: most inputs in one request.
        max_tokens: most tokens in one request.
    """
    batch: list[Text] = []
    tokens = 0
    for text in texts:
        if batch and (len(batch) == max_inputs or tokens + text.tokens > max_tokens):
            yield batch
            batch, tokens = [], 0
        batch.append(text)
        tokens += text.tokens
    if batch:
        yield batch


def halves(batch: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    """Cut a refused batch in two, to close in on the text that spoils it."""
    middle = len(batch) // 2
    return list(batch[:middle]), list(batch[middle:])
