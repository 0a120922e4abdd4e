"""The SQL of the project, as files, and the one way to load them.

What belongs here: migrations (run once, pinned by checksum), objects (idempotent, run whenever their
text changed) and queries (one statement a file, a folder a stage). Identifiers are written `{name}`
and composed by psycopg; values are written `%(name)s` and bound. No Python string ever becomes SQL
by concatenation.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Script:
    """A numbered SQL file.

    Attributes:
        number: position in the order of application.
        name: the file's stem.
        text: the file's text, with `{identifier}` placeholders.
        checksum: sha256 of the text, in hex.
    """

    number: int
    name: str
    text: str
    checksum: str


def _scripts(folder: str) -> tuple[Script, ...]:
    found = []
    for path in sorted((ROOT / folder).glob("[0-9][0-9][0-9][0-9]_*.sql")):
        text = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found.append(Script(int(path.stem[:4]), path.stem, text, checksum))
    return tuple(found)


@cache
def migrations() -> tuple[Script, ...]:
    """Return the migrations in the order in which they run."""
    return _scripts("migrations")


@cache
def objects() -> tuple[Script, ...]:
    """Return the idempotent objects (views, functions, grants) in the order in which they run."""
    return _scripts("objects")


@cache
def query(name: str) -> str:
    """Return the statement `queries/<name>.sql`.

    Args:
        name: folder and file without the ending, as in `documents/read_known_documents`.
    """
    return (ROOT / "queries" / f"{name}.sql").read_text(encoding="utf-8")
