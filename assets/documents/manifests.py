"""Reading what people write beside documents: sidecars in YAML or JSON, a manifest in CSV or JSONL. Pure.

Nobody vetted these files. Sizes are bounded, YAML builds plain values only, aliases (which can make a small file
huge) are refused, and text may be UTF-8 or what Excel writes in Japan.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from typing import Any, BinaryIO

import yaml

from assets.documents.metadata import normalised

MOST_SIDECAR_BYTES = 1_000_000
MOST_MANIFEST_BYTES = 256_000_000


class NotReadable(ValueError):  # It says what a file is not; the caller decides what that costs.
    """A sidecar or manifest that cannot be read, with the reason as the end of a sentence."""


def load_words(text: str) -> Any:
    """Read YAML whose scalars stay as they are written, without aliases, which can stand for a billion values.

    Raises:
        Exception: it is no such YAML; tags fail in as many ways as they have constructors.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506  # A safe loader.


class _Loader(yaml.SafeLoader):
    """Reads scalars as they are written: `no` stays a word, `0123` keeps its zero; types come from the declaration."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # As the base class has it.
        first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError
        return super().compose_node(parent, index)


def read_sidecar(content: bytes, name: str) -> dict[Any, Any]:
    """Read a sidecar.

    Args:
        content: its bytes.
        name: decides between YAML and JSON.

    Raises:
        NotReadable: it is too large, of no known encoding, or no mapping.
    """
    if len(content) > MOST_SIDECAR_BYTES:
        raise NotReadable("is larger than 1 MB")
    try:
        text = decoded(content)
        found = _json(text) if name.lower().endswith(".json") else load_words(text)
    except Exception:  # Tags of YAML fail in as many ways as they have constructors.
        raise NotReadable("is not what its name says") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NotReadable("is no mapping")
    return found


def decoded(content: bytes) -> str:
    """Decode text in UTF-8, or as Windows writes it in Japan.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    first, *others = _encodings(content[:2])
    try:
        return content.decode(first)
    except UnicodeDecodeError:
        if not others:
            raise
        return content.decode(others[0])


def _encodings(head: bytes) -> tuple[str, ...]:
    """Return what text may be encoded in: as `Unicode Text` of Excel, or one of the usual two."""
    return ("utf-16",) if head in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp932")


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def read_manifest(stream: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a manifest: a uri, and the other columns by name.

    Args:
        stream: seekable.
        name: decides between CSV and JSONL.

    Raises:
        NotReadable: it is too large, of no known encoding, damaged, or has no column `uri`.
    """
    if stream.seek(0, io.SEEK_END) > MOST_MANIFEST_BYTES:
        raise NotReadable("is larger than 256 MB")
    encoding = _encoding(stream)
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding, newline="")
    try:
        ending = name.lower().rpartition(".")[2]
        rows = _json_rows(text) if ending in {"jsonl", "ndjson"} else _csv_rows(text, "\t" if ending == "tsv" else ",")
        for found in rows:
            uri = found.pop("uri", None)
            yield document_key(uri) if isinstance(uri, str) else "", found
    finally:
        text.detach()


def document_key(uri: str) -> str:
    """Return a uri as uris are compared: composed, without a leading `./`."""
    return unicodedata.normalize("NFC", uri.strip().removeprefix("./"))


def _encoding(stream: BinaryIO) -> str:
    stream.seek(0)
    for encoding in _encodings(stream.read(2)):
        stream.seek(0)
        reader = io.TextIOWrapper(stream, encoding, newline="")
        try:
            while reader.read(1 << 20):
                pass
        except UnicodeDecodeError:
            continue
        finally:
            reader.detach()
        return encoding
    raise NotReadable("is in no encoding that is known here")


def _csv_rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[dict[str, Any]]:
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = [normalised(cell) for cell in next(reader, [])]
        if "uri" not in header:
            raise NotReadable("has no column uri")
        for row in reader:
            if any(row):
                yield {name: cell for name, cell in zip(header, row, strict=False) if cell.strip()}
    except csv.Error:
        raise NotReadable(f"is damaged at line {reader.line_num}") from None


def _json_rows(text: io.TextIOWrapper) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            found = _json(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise NotReadable(f"is no JSON object at line {number}")
        row = {normalised(key): value for key, value in found.items()}
        if "uri" not in row:
            raise NotReadable(f"has no uri at line {number}")
        yield row
