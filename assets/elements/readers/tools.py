"""Programs that readers use: LibreOffice, tesseract, pandoc. Their failures become reasons that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

from assets.elements.document import Unparseable
from resources.programs import ProgramFailed, ProgramTimeout, find_program, run_program


def find_tool(name: str) -> str | None:
    """Return the path of a program, or None where it is not installed.

    Args:
        name: as on a command line.
    """
    return find_program(name)


def run_tool(arguments: Sequence[str], *, seconds: float = 50.0, content: bytes = b"") -> bytes:
    """Run a program on an untrusted file and return what it printed.

    Args:
        arguments: the program's path, as `find_tool` says, and what it is told; files by their whole path, below
            `tempfile.gettempdir()` if they are made for it.
        seconds: after which it is killed, with all that it started.
        content: what it reads on its standard input.

    Raises:
        Unparseable: `tool_failed` or `parse_timeout`.
        MemoryError: it took more memory than the worker has left.
    """
    try:
        return run_program(arguments, seconds=seconds, content=content)
    except ProgramFailed:
        raise Unparseable("tool_failed") from None
    except ProgramTimeout:
        raise Unparseable("parse_timeout") from None
