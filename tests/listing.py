"""Opening a source and listing it."""

from __future__ import annotations

from pathlib import Path

from resources.sources import FileSystem, Globs, LocalFolder

EVERYTHING = Globs(["**/*"], [])


def folder(root: Path, include: tuple[str, ...] = ("**/*",), exclude: tuple[str, ...] = ()) -> LocalFolder:
    """Open a folder with globs."""
    return LocalFolder(root, Globs(include, exclude))


def uris(source: LocalFolder | FileSystem) -> list[str]:
    """List a source."""
    return [entry.uri for entry in source.list()]
