"""Waiting until a time stamp can be trusted."""

from __future__ import annotations

import time

from assets.documents.scan import FINE_CLOCK_NS, is_settled


def await_tick(modified_ns: int | None) -> bool:
    """Say whether a stamp can be trusted; where the clock is fine, wait out its tick so that it can."""
    now = time.time_ns()
    if is_settled(modified_ns, now):
        return True
    if modified_ns is not None and 0 <= now - modified_ns <= FINE_CLOCK_NS:
        time.sleep(FINE_CLOCK_NS / 1e9)
    return is_settled(modified_ns, time.time_ns())
