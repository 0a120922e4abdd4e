"""What a rollback leaves for after its flip: its lines in the ledger, and how often words occur.

Readers are back without either. Whoever holds the collection next does it if the rollback was cut off before it could.
"""

from __future__ import annotations

from assets.lease import Lease
from resources.postgres import Session


def settle(session: Session, lease: Lease) -> None:
    """Finish a rollback of a collection that has flipped; does nothing where there is none.

    Args:
        session: a connection of the pipeline role, outside a transaction.
        lease: the collection's, just taken.

    Raises:
        LeaseLost: another run took the collection over; it finishes the rollback.
    """
    params = {"collection_id": lease.collection_id}
    if not session.records("publication/find_unwritten", params):
        return
    with session.transaction():
        lease.confirm(session)
        session.execute("publication/hold_readers", params)
        if session.value("publication/write_down_rollback", params):
            session.execute("publication/recount_terms", params)
