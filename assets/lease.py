"""Who may write for a collection: a lease with a fencing token, kept alive by a thread.

A run takes the lease at its first stage and keeps it until its last one or its failure. A dead holder's
lease runs out by itself. Whoever lost it finds out inside the next writing transaction, before anything
is claimed as done.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import psycopg

from resources.errors import CollectionBusy, LeaseLost, SuimonError
from resources.postgres import Database, Session


@dataclass
class Lease:
    """The right to write for a collection.

    Attributes:
        database: where it is held.
        collection_id: whose it is.
        holder: the run that holds it.
        token: grows with every holder; fences off a former one.
        seconds: how long it outlives its holder.
    """

    database: Database
    collection_id: int
    holder: str
    token: int
    seconds: float
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    def keep(self) -> None:
        """Renew from a thread until released."""
        threading.Thread(target=self._renew, name=f"lease-{self.collection_id}", daemon=True).start()

    def stop(self) -> None:
        """Renew it no more."""
        self._stopped.set()

    def _renew(self) -> None:
        pause = self.seconds / 3
        while not self._stopped.wait(pause):
            try:
                with self.database.connect() as session:
                    while True:
                        if session.value("refresh/renew_lease", self._params) is None:
                            return  # Nor is it taken again: whoever took it over may have let it go by now.
                        if self._stopped.wait(self.seconds / 3):
                            return
            except (SuimonError, psycopg.Error):  # The database is away: writing transactions find out by themselves.
                pause = min(1.0, self.seconds / 10)

    @property
    def _params(self) -> dict[str, object]:
        return {
            "collection_id": self.collection_id, "holder": self.holder, "token": self.token, "seconds": self.seconds,
        }  # fmt: skip

    def confirm(self, session: Session) -> None:
        """Inside a transaction, make sure that the lease is still held until commit.

        Raises:
            LeaseLost: another run took the collection over.
        """
        params = {"collection_id": self.collection_id, "token": self.token, "seconds": self.seconds}
        if session.value("refresh/confirm_lease", params) is None:
            self._stopped.set()
            raise LeaseLost(
                f"Run {self.holder} lost the collection to another refresh and stopped without publishing; "
                "nothing has to be done."
            )

    def release(self) -> None:
        """Let the next refresh in; does nothing if the lease was lost."""
        self._stopped.set()
        with self.database.connect() as session:
            session.execute("refresh/release_lease", {"collection_id": self.collection_id, "token": self.token})


def _acquire(session: Session, collection_id: int, holder: str, seconds: float) -> int | None:
    params = {"collection_id": collection_id, "holder": holder, "seconds": seconds}
    token = session.value("refresh/acquire_lease", params)
    return None if token is None else int(token)


def acquire(
    database: Database, session: Session, collection_id: int, holder: str, *, seconds: float, wait: float
) -> Lease:
    """Take the lease of a collection, waiting for its present holder for a while.

    Raises:
        CollectionBusy: another run still held it at the end of the wait.
    """
    deadline = time.monotonic() + wait
    while (token := _acquire(session, collection_id, holder, seconds)) is None:
        if time.monotonic() > deadline:
            other = session.records("refresh/read_lease", {"collection_id": collection_id})
            who = other[0]["holder"] if other else "another run"
            raise CollectionBusy(f"Run {who} is refreshing this collection; wait for it to end, then refresh again.")
        time.sleep(0.2)
    lease = Lease(database, collection_id, holder, token, seconds)
    lease.keep()
    return lease


def seize(database: Database, session: Session, collection_id: int, holder: str, *, seconds: float) -> Lease:
    """Take the lease of a collection from whoever holds it.

    He finds out inside his next writing transaction and writes nothing more.

    Args:
        database: where leases are held.
        session: a connection of the pipeline role.
        collection_id: whose lease it is.
        holder: who takes it.
        seconds: how long it outlives this process.
    """
    params = {"collection_id": collection_id, "holder": holder, "seconds": seconds}
    lease = Lease(database, collection_id, holder, int(session.value("refresh/seize_lease", params)), seconds)
    lease.keep()
    return lease
