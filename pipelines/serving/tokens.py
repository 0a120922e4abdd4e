"""Who somebody is: a file that maps bearer tokens to database roles, and holds no token.

One line a token: the role, and the SHA-256 of the token in hex. The file is read anew when it changed, so that a line
taken out holds from the next request on.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import stat
from pathlib import Path

from resources.errors import ConfigurationError
from resources.wording import unreadable

_LINE = re.compile(r"(\S+)\s+([0-9a-f]{64})")


def new_token(role: str) -> tuple[str, str]:
    """Return a token that nobody can guess, and the line that makes it somebody's.

    Args:
        role: the database role.
    """
    token = secrets.token_urlsafe(32)
    return token, f"{role} {digest(token)}"


def digest(token: str) -> str:
    """Return what the file holds of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class TokenFile:
    """The roles of tokens."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigurationError: it cannot be read, others may write it, or a line is none.
        """
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._roles: list[tuple[str, str]] = []
        self.read()

    def read(self) -> tuple[str, ...]:
        """Read the file if it changed, and return the roles in it.

        Raises:
            ConfigurationError: as at first.
        """
        try:
            found = self._path.stat()
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ConfigurationError(f"Others may write {self._path}; take that right away with chmod go-w.")
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                self._roles = _parsed(self._path.read_text(encoding="utf-8"), self._path.name)
                self._stamp = stamp
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(unreadable(self._path, error)) from None
        return tuple(role for role, _ in self._roles)

    def role_of(self, token: str) -> str | None:
        """Return the role of a token, or None; takes as long for a wrong token as for a right one.

        Args:
            token: as it came.

        Raises:
            ConfigurationError: the file became unreadable: nobody is let in then.
        """
        self.read()
        given = digest(token)
        role: str | None = None
        for known, kept in self._roles:
            if hmac.compare_digest(kept, given):
                role = known
        return role


def _parsed(text: str, name: str) -> list[tuple[str, str]]:
    roles = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigurationError(
                f"Line {number} of {name} is not a role and 64 hexadecimal digits; `suimon mcp --new-token ROLE` makes "
                "such a line."
            )
        roles.append((match[1], match[2]))
    if len({kept for _, kept in roles}) != len(roles):
        raise ConfigurationError(f"A token stands twice in {name}; leave one of its lines.")
    return roles
