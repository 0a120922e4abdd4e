"""Asynchronous work side by side, for those who describe documents. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def side_by_side(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all at once; the first failure ends the others and is raised as it is.

    Args:
        work: in any order.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do something to its end even where whoever waits for it is given up meanwhile.

    Args:
        work: that must not be broken off, as what was paid for and is being written.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Was seen; what is raised is that nobody waits for it any more.
        raise
