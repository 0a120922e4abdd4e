"""Suimon behind the same protocol; run with the repository's own interpreter.

The protocol's part is complete. What remains is the three functions below, which name the
engine: each takes the setting that every engine gets (a database of its own, the endpoint,
the folder), and only `refresh` is timed.
"""

from __future__ import annotations

from typing import Any

from protocol import Setting, run


def wipe(setting: Setting) -> None:
    """Remove tables, ledger and cache, as before the first run; not timed."""
    raise NotImplementedError(_missing("wipe", setting))


def refresh(phase: str, setting: Setting) -> dict[str, Any]:
    """List the folder, bring the published table level with it, and say what was done.

    Args:
        phase: `cold`, `noop` or `edit`, for information: the work is the same.
        setting: Where everything is. Requests carry at most `protocol.BATCH` texts.

    Returns:
        Whatever the engine reports; added to the answer's line under `engine`.
    """
    raise NotImplementedError(_missing(f"refresh({phase!r})", setting))


def count_rows(word: str, setting: Setting) -> int:
    """Rows of the published view whose text holds a word; all for the empty word."""
    raise NotImplementedError(_missing(f"count_rows({word!r})", setting))


def _missing(call: str, setting: Setting) -> str:
    return (
        f"{call}: the call of the engine is to be filled in, in benchmarks/peers/suimon_peer.py "
        f"(database {setting.database}, folder {setting.corpus})"
    )


class Suimon:
    """The engine behind the protocol."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def wipe(self) -> None:
        """Start from nothing."""
        wipe(self._setting)

    def refresh(self, phase: str) -> dict[str, Any]:
        """One refresh."""
        return refresh(phase, self._setting)

    def count_rows(self, word: str) -> int:
        """Rows whose text holds a word."""
        return count_rows(word, self._setting)


if __name__ == "__main__":
    run(Suimon)
