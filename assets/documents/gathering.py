"""Gathering what is declared of documents, without reading the documents: path, listing, manifest, sidecars.

A stamp over all that the values come from says when they have to be gathered again. The listing gives the
sidecars' stamps, so that an unchanged one is not read; the manifest is read once a refresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from assets.documents.clock import await_tick
from assets.documents.manifests import MOST_SIDECAR_BYTES, NotReadable, document_key, read_manifest, read_sidecar
from assets.documents.metadata import UNREADABLE, digest, gathering_digest, of_source, pick, wanted_keys
from assets.documents.patterns import match_path, sidecar_glob, sidecar_of
from assets.settings import Collection, Metadata
from assets.workbench import Workbench
from resources.errors import ConfigurationError, SourceUnavailable
from resources.sources import Entry, Globs, Source, open_source

SHARED_SIDECARS = 256
"""Sidecars kept in memory: one for a folder is read once, not once a document."""

UNSETTLED = "?"
"""At the end of a stamp that cannot be trusted; none that is computed ends so."""


@dataclass(frozen=True)
class Gathered:
    """What is declared of a document.

    Attributes:
        stamp: of what it was gathered from; empty where the collection declares no metadata.
        values: by place, then by key, as written.
    """

    stamp: str
    values: dict[str, Any]


@dataclass(frozen=True)
class _Sidecar:
    values: dict[str, Any] | None
    settled: bool


@dataclass
class Manifest:
    """A manifest's rows: what is wanted of each, as JSON, by document.

    Attributes:
        rows: by the key of the document.
        nameless: rows that name no document.
        repeated: rows for a document that an earlier row named; the last one counts.
    """

    rows: dict[str, str] = field(default_factory=dict)
    nameless: int = 0
    repeated: int = 0


class Gatherer:
    """Gathers what a collection declares of its documents. Where it declares nothing, every stamp is empty."""

    def __init__(self, bench: Workbench, name: str) -> None:
        """List the sidecars and read the manifest, where there are any.

        Args:
            bench: settings and doors.
            name: the collection.

        Raises:
            ConfigurationError: the manifest is missing or damaged.
            SourceUnavailable: the source could not be listed or read.
        """
        declared = bench.collection(name)
        self.metadata = declared.metadata
        self.source = bench.source(name)
        self._matched: set[str] = set()
        self._read = lru_cache(SHARED_SIDECARS)(self._read_sidecar)
        if self.metadata is not None:
            self._settings = gathering_digest(self.metadata)
            self._wanted = {
                origin: wanted_keys(self.metadata, origin) for origin in ("source", "path", "manifest", "sidecar")
            }
            self._sidecars = _list_sidecars(bench, declared, self.metadata)
            self.manifest = _read_manifest(self.source, name, self.metadata, self._wanted["manifest"])

    def stamp(self, entry: Entry) -> str:
        """Return the stamp of what a document's values are gathered from."""
        if self.metadata is None:
            return ""
        sidecar = self._sidecar(entry.uri)
        row = None
        if self.manifest.rows:
            key = document_key(entry.uri)
            row = self.manifest.rows.get(key)
            if row is not None:
                self._matched.add(key)
        wanted = self._wanted["source"]
        source = [
            entry.metadata,
            entry.modified_ns if "modified" in wanted else 0,
            entry.size if "size" in wanted else 0,
        ]
        if sidecar is None and row is None and source == [{}, 0, 0]:
            return self._settings  # Every document is asked at every refresh: most need no digest of their own.
        return digest([self._settings, sidecar.stamp if sidecar else None, row, source])

    def gather(self, entry: Entry) -> Gathered | None:
        """Return what is declared of a document, or None where its sidecar cannot be read at present.

        Args:
            entry: as listed.
        """
        if self.metadata is None:
            return Gathered("", {})
        stamp = self.stamp(entry)
        row = self.manifest.rows.get(document_key(entry.uri))
        values: dict[str, Any] = {
            "source": pick(of_source(entry), self._wanted["source"]),
            "path": pick(match_path(self.metadata.path, entry.uri), self._wanted["path"]) if self.metadata.path else {},
            "manifest": json.loads(row) if row else {},
        }
        listed = self._sidecar(entry.uri)
        if listed is not None:
            try:
                sidecar = self._read(listed)
            except OSError:
                return None
            stamp += "" if sidecar.settled else UNSETTLED
            if sidecar.values is None:
                values[UNREADABLE] = {"sidecar": True}
            values["sidecar"] = sidecar.values or {}
        return Gathered(stamp, {place: found for place, found in values.items() if found})

    def counts(self) -> dict[str, int]:
        """Return what the manifest says that nothing came of."""
        if self.metadata is None or self.metadata.manifest is None:
            return {}
        unmatched = len(self.manifest.rows) - len(self._matched) + self.manifest.nameless
        return {"manifest_unmatched": unmatched, "manifest_repeated": self.manifest.repeated}

    def _sidecar(self, uri: str) -> _ListedSidecar | None:
        if self.metadata is None or self.metadata.sidecar is None:
            return None
        return self._sidecars.get(sidecar_of(self.metadata.sidecar, uri))

    def _read_sidecar(self, listed: _ListedSidecar) -> _Sidecar:
        settled = await_tick(listed.modified_ns)
        try:
            with self.source.open(listed.uri) as stream:
                content = stream.read(MOST_SIDECAR_BYTES + 1)
        except FileNotFoundError:  # Removed since it was listed: the next refresh will not list it.
            return _Sidecar({}, settled=False)
        try:
            return _Sidecar(pick(read_sidecar(content, listed.uri), self._wanted["sidecar"]), settled)
        except NotReadable:
            return _Sidecar(None, settled)


@dataclass(frozen=True, slots=True)
class _ListedSidecar:
    uri: str
    stamp: str
    modified_ns: int | None


def _list_sidecars(bench: Workbench, declared: Collection, metadata: Metadata) -> Mapping[str, _ListedSidecar]:
    """List the sidecars, which the collection's own globs need not name."""
    if metadata.sidecar is None:
        return {}
    globs = Globs((sidecar_glob(metadata.sidecar),), ())
    source = open_source(declared.source, bench.root, globs, dict(declared.storage_options))
    return {entry.uri: _ListedSidecar(entry.uri, entry.stamp, entry.modified_ns) for entry in source.list()}


def _read_manifest(source: Source, name: str, metadata: Metadata, wanted: set[str]) -> Manifest:
    manifest = Manifest()
    if metadata.manifest is None:
        return manifest
    where = f"collections.{name}.metadata.manifest: {metadata.manifest}"
    try:
        with source.open(metadata.manifest) as stream:
            for key, found in read_manifest(stream, metadata.manifest):
                if not key:
                    manifest.nameless += 1
                    continue
                manifest.repeated += key in manifest.rows
                manifest.rows[key] = json.dumps(pick(found, wanted), sort_keys=True)
    except NotReadable as problem:
        raise ConfigurationError(f"{where} {problem}; correct the file.") from None
    except FileNotFoundError:
        raise ConfigurationError(f"{where} is not below the source; put it there, or take the key out.") from None
    except OSError as error:
        raise SourceUnavailable(f"{where} could not be read ({type(error).__name__}); nothing was changed.") from None
    return manifest
