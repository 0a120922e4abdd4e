"""Named places at which a test may interrupt the product: every boundary that a crash could fall on.

The product calls `reach`, which does nothing; a test process installs a hook that kills, cuts off or raises.
Nothing here can be switched on from outside a process.
"""

from __future__ import annotations

from collections.abc import Callable

STAGES = ("documents", "elements", "chunks", "vectors", "publication")

REGISTRY: dict[str, str] = {
    "refresh.opened": "The lease is held and the ledger has its line.",
    "refresh.closed": "The ledger says how the refresh ended; the lease is still held.",
    **{f"{stage}.start": f"The {stage} stage is about to begin." for stage in STAGES},
    **{f"{stage}.end": f"The {stage} stage has done its work; its report is not written yet." for stage in STAGES},
    **{f"{stage}.reported": f"The report of the {stage} stage is in the ledger." for stage in STAGES},
    **{f"{stage}.audited": f"The audits after the {stage} stage have recorded what passed." for stage in STAGES},
    "documents.writing": "A batch of the scan is written and not committed.",
    "documents.written": "A batch of the scan is committed.",
    "elements.writing": "Parses are written and not committed.",
    "elements.written": "Parses are committed.",
    "chunks.writing": "Chunk sets, texts and chunks are written and not committed.",
    "chunks.written": "Chunk sets, texts and chunks are committed.",
    "vectors.claimed": "Texts are claimed and nothing is sent.",
    "vectors.answered": "An endpoint has answered and nothing of it is written.",
    "vectors.writing": "Vectors and their cost are written and not committed.",
    "vectors.written": "Vectors and their cost are committed.",
    "publication.indexed": "The index is there; nothing has moved.",
    "publication.gated": "The gate has opened; nothing has moved.",
    "publication.changes_written": "The publish and what it moves are written; the heads are as they were.",
    "publication.heads_removed": "The heads of vanished documents are gone, inside the transaction.",
    "publication.heads_moved": "All heads have moved, inside the transaction.",
    "golden.written": "Vectors of golden questions and their cost are committed.",
    "golden.ready": "Golden questions have vectors; nothing has moved.",
    "golden.judged": "Golden questions were asked of what would become visible, inside the transaction.",
    "publication.committing": "Everything is written; the commit is next.",
    "publication.committed": "Readers see the publish; the verdict is not recorded.",
    "rollback.committing": "The heads are back and the collection is pinned; the commit is next.",
    "rollback.committed": "Readers are back; what was moved is not written down and words are not counted.",
    "publication.verdict_recorded": "The verdict is recorded; the stage has not reported.",
    "profiles.start": "It is known which documents wait for a profile; nothing is asked.",
    "profiles.claimed": "A document is claimed and nothing is asked about it.",
    "profiles.answered": "A language model has answered and nothing of it is written.",
    "profiles.answer_writing": "An answer and its cost are written and not committed.",
    "profiles.answer_written": "An answer and its cost are committed.",
    "profiles.writing": "A profile is put together and written, and not committed.",
    "profiles.written": "A profile is committed; its document is still claimed.",
    "profiles.end": "What could be described is; nothing of it is audited.",
    "profiles.audited": "The audits have recorded which profiles passed; readers see none of them.",
    "profiles.shown": "Readers see the profiles that passed.",
    "sweep.decided": "Publishes that are given up are marked; nothing of them is removed.",
    "sweep.chosen": "Rows of a batch of garbage are held; nothing of it is removed.",
    "sweep.removing": "A batch of garbage is removed and not committed.",
    "sweep.removed": "The removal of a batch of garbage is committed.",
    "sweep.index_built": "A new index stands beside the live one.",
    "sweep.index_swapped": "The new index has taken the live one's place.",
    "sweep.recorded": "The garbage collection is in the ledger; its lock is still held.",
}
"""Every failpoint by name, with what is true when it is reached."""

Hook = Callable[[str], None]
_hook: Hook | None = None


def install(hook: Hook | None) -> None:
    """Have a function called at every failpoint of this process; None takes it away.

    Args:
        hook: hears the name; whatever it raises or does happens there.
    """
    global _hook  # noqa: PLW0603  # One process, one hook: that is what a failpoint is.
    _hook = hook


def reach(name: str) -> None:
    """Tell the hook, if a test installed one, that a failpoint was reached."""
    if _hook is not None:
        if name not in REGISTRY:
            raise LookupError(f"{name} is not in the registry of failpoints")
        _hook(name)
