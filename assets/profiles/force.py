"""Which profiles of a collection are in force: the recipe and audits under which readers are shown any."""

from __future__ import annotations

from resources.postgres import Session


def put_in_force(session: Session, collection_id: int, recipe_id: int, suite_id: int, types: str) -> bool:
    """Note what is in force: from then on filters know the fields, and heads show profiles of it.

    Args:
        session: of the pipeline role.
        collection_id: of the collection.
        recipe_id: of its profiles.
        suite_id: of their audits.
        types: of what filters may name, as JSON.

    Returns:
        Whether something else was in force.
    """
    params = {"collection_id": collection_id, "recipe_id": recipe_id, "suite_id": suite_id, "types": types}
    return bool(session.execute("profiles/set_recipe", params))


def withdraw(session: Session, collection_id: int) -> bool:
    """Show no profiles of a collection that does not ask for any (more); they stay until they are swept.

    Args:
        session: of the pipeline role.
        collection_id: of the collection.

    Returns:
        Whether any were in force.
    """
    params = {"collection_id": collection_id, "recipe_id": None, "suite_id": None, "types": "{}"}
    with session.transaction():
        changed = bool(session.execute("profiles/set_recipe", params))
        if changed:
            session.execute("profiles/show_profiles", params)
    return changed
