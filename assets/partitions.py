"""The one partition dimension of the project: a collection.

Dynamic, so that a collection added to `collections.yaml` becomes a partition without a new deployment; the
sensor, `suimon up` and `suimon refresh` register what is declared.
"""

from collections.abc import Iterable

import dagster as dg

collections = dg.DynamicPartitionsDefinition(name="collections")


def register(instance: dg.DagsterInstance, names: Iterable[str]) -> list[str]:
    """Make declared collections known to Dagster; returns those that were not."""
    known = set(instance.get_dynamic_partitions("collections"))
    new = [name for name in names if name not in known]
    if new:
        instance.add_dynamic_partitions("collections", new)
    return new


def forget(instance: dg.DagsterInstance, name: str) -> bool:
    """Take a collection that was dropped out of Dagster; its runs stay. Says whether Dagster knew it."""
    known = instance.has_dynamic_partition("collections", name)
    if known:
        instance.delete_dynamic_partition("collections", name)
    return known
