"""Which texts this refresh has embedded, and which another one is having embedded at this moment.

A text is claimed before it is sent, in a short transaction of its own. A claim holds while its collection's
lease is held, so that what a dead refresh had claimed is free again as soon as its lease has run out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from assets.lease import Lease
from assets.vectors.batching import Text
from assets.vectors.spaces import KnownSpace
from resources import failpoints
from resources.postgres import Session

SLAB = 1000
"""Texts claimed at once: one transaction for some tens of requests, and not so many that a second refresh waits."""


@dataclass
class Claims:
    """The texts that a refresh has claimed in a space.

    Attributes:
        session: a connection that nobody else uses meanwhile.
        lease: whose claims they are.
        space: where vectors are missing.
        elsewhere: texts that another refresh had claimed already.
    """

    session: Session
    lease: Lease
    space: KnownSpace
    elsewhere: int = 0

    def take(self, texts: Iterable[Text]) -> Iterator[Text]:
        """Yield the texts that could be claimed, and count the others."""
        waiting = iter(texts)
        while slab := list(islice(waiting, SLAB)):
            mine = self._claim(slab)
            failpoints.reach("vectors.claimed")
            yield from (text for text in slab if text.text_id in mine)

    def _claim(self, slab: Sequence[Text]) -> set[int]:
        holder = {"collection_id": self.lease.collection_id, "token": self.lease.token}
        params = {"space_id": self.space.space_id, "text_ids": [text.text_id for text in slab], **holder}
        with self.session.transaction():
            taken = {row["text_id"] for row in self.session.records("vectors/claim_texts", params)}
            settled = self.session.records(
                "vectors/release_settled", params | {"text_ids": list(taken)}, vectors=self.space.table
            )
        self.elsewhere += len(slab) - len(taken)
        return taken - {row["text_id"] for row in settled}

    def release(self) -> None:
        """Let go of everything, this refresh's and what dead ones before it have left."""
        holder = {"collection_id": self.lease.collection_id, "token": self.lease.token}
        self.session.execute("vectors/release_all_claims", holder)
