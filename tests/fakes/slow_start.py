"""A parser whose import takes longer than its tasks may."""

from __future__ import annotations

import time

time.sleep(2)


def echo(value: object) -> object:
    """Give back what was given."""
    return value
