"""Trying again what is held back, because a person asked.

Documents are marked, and refusals of texts are forgotten; the next refresh then finds them as it finds anything that is
missing. The texts of published documents are noted as wanted: they are no candidate's.
"""

from __future__ import annotations

from assets.lease import acquire
from assets.workbench import Workbench
from resources.postgres import Session


def mark_for_retry(
    session: Session, collection_id: int, *, uri: str | None = None, stage: str | None = None, reason: str | None = None
) -> int:
    """Mark what a collection holds back, as `search.quarantine` shows it, to be tried again by the next refresh.

    The caller holds the collection's lease: a refresh under way could else end by noting that nothing is left to do.

    Args:
        session: of the pipeline role.
        collection_id: whose.
        uri: of this document alone.
        stage: held back by this stage alone.
        reason: held back with this reason code alone.

    Returns:
        How many rows of the quarantine were marked.
    """
    params = {"collection_id": collection_id, "uri": uri, "stage": stage, "reason": reason}
    with session.transaction():
        marked = int(session.value("refresh/retry_documents", params)) + int(
            session.value("refresh/retry_texts", params)
        )
        if marked:
            session.execute("refresh/mark_unconverged", {"collection_id": collection_id})
    return marked


def retry_collection(
    bench: Workbench,
    name: str,
    run_id: str,
    *,
    uri: str | None = None,
    stage: str | None = None,
    reason: str | None = None,
) -> int:
    """Take the lease of a collection, mark what it holds back, and let go of it.

    Args:
        bench: settings and doors.
        name: of the collection.
        run_id: names the holder of the lease.
        uri: of this document alone.
        stage: held back by this stage alone.
        reason: held back with this reason code alone.

    Returns:
        How many rows of the quarantine were marked; 0 for a collection that was never refreshed.

    Raises:
        CollectionBusy: a refresh still held the collection at the end of the wait.
        LeaseLost: another refresh took the collection over meanwhile; nothing was marked.
    """
    with bench.database.connect() as session:
        found = session.records("refresh/read_collection", {"name": name})
        if not found:
            return 0
        collection_id = int(found[0]["collection_id"])
        lease = acquire(
            bench.database, session, collection_id, run_id, seconds=bench.lease_seconds, wait=bench.lease_wait_seconds
        )
        try:
            with session.transaction():
                lease.confirm(session)
                return mark_for_retry(session, collection_id, uri=uri, stage=stage, reason=reason)
        finally:
            lease.release()
