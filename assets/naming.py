"""What stages are called in Dagster: the key of an asset is the table that it writes."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

KEYS = {
    "documents": ("corpus", "documents"),
    "elements": ("corpus", "elements"),
    "chunks": ("corpus", "chunks"),
    "vectors": ("corpus", "vectors"),
    "publication": ("search", "chunks"),
    "retrieval_quality": ("search", "retrieval_quality"),
    "index_health": ("search", "index_health"),
    "answer_quality": ("search", "answer_quality"),
}


@dataclass(frozen=True)
class Naming:
    """How a deployment wants the assets named.

    Attributes:
        key_prefix: put before every asset key, where other code locations have keys of their own.
        owners: shown on the assets.
    """

    key_prefix: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()

    def key(self, stage: str) -> dg.AssetKey:
        """Return the asset key of a stage."""
        return dg.AssetKey([*self.key_prefix, *KEYS[stage]])
