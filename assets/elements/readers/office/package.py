"""Zip packages of office formats: opened with bounds, their XML parsed without reaching anywhere else."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from assets.elements.document import Unparseable

LARGEST_MEMBER = 100_000_000
"""Bytes of one XML part. As a tree it takes about ten times that; Word itself refuses far less."""

LARGEST_PACKAGE = 250_000_000
"""Bytes of all parts that are read of one package."""

RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/"
_OPEN_XML = "application/vnd.openxmlformats-officedocument."

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")

_CORE_NAMES = {"title": "title", "creator": "author", "subject": "subject", "keywords": "keywords",
               "created": "created", "modified": "modified", "language": "language"}  # fmt: skip


class Package:
    """The parts of a zip package, read one by one when they are wanted, and only within bounds."""

    def __init__(self, content: bytes) -> None:
        """Open a package.

        Raises:
            Unparseable: it is no whole zip archive.
        """
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
            raise Unparseable("damaged") from None
        self.names = frozenset(self._archive.namelist())
        self._left = LARGEST_PACKAGE

    def read(self, name: str) -> bytes | None:
        """Return a part's bytes; None if there is no such part.

        Raises:
            Unparseable: the part is damaged or encrypted, or too much comes out of it.
        """
        if name not in self.names:
            return None
        limit = min(LARGEST_MEMBER, self._left)
        try:
            with self._archive.open(name) as member:
                data = member.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError):
            raise Unparseable("damaged") from None
        except RuntimeError:  # What zipfile raises for a member that is encrypted.
            raise Unparseable("password_protected") from None
        if len(data) > limit:
            raise Unparseable("unpacks_too_large")
        self._left -= len(data)
        if b"//purl.oclc.org/ooxml/" in data[:4000]:  # The strict form of ISO 29500: other names, the same meaning.
            data = _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/\2", data)
        return data

    def tree(self, name: str) -> Any | None:
        """Return a part's root element; None if there is no such part.

        Raises:
            Unparseable: as for `read`, or it is not well-formed.
        """
        data = self.read(name)
        return None if data is None else parsed(data)

    def optional_tree(self, name: str) -> Any | None:
        """Return a part's root element; None if there is none that can be read: a chart, or a property."""
        try:
            return self.tree(name)
        except Unparseable as refused:
            if refused.reason == "damaged":
                return None
            raise

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """Return the parts that a part refers to inside the package: by id, the kind and the part's name."""
        folder, base = posixpath.split(name)
        root = self.optional_tree(posixpath.join(folder, "_rels", f"{base}.rels"))
        found: dict[str, tuple[str, str]] = {}
        for relation in () if root is None else root.iter("{*}Relationship"):
            if relation.get("TargetMode") == "External":
                continue
            target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target") or "")).lstrip("/")
            if target in self.names:
                kind = (relation.get("Type") or "").rsplit("/", 1)[-1]
                found[relation.get("Id") or ""] = (kind, target)
        return found


def parsed(data: bytes) -> Any:
    """Return the root element of XML.

    Raises:
        Unparseable: it is not well-formed.
    """
    try:
        return etree.fromstring(data, _parser())
    except etree.XMLSyntaxError:
        raise Unparseable("damaged") from None


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, remove_comments=True, remove_pis=True
    )


def pack(parts: Iterable[tuple[str, bytes]]) -> io.BytesIO:
    """Write a package that lives in memory for a moment, uncompressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts:
            archive.writestr(name, data)
    file.seek(0)
    return file


def relations_part(references: Iterable[tuple[str, str, str]]) -> bytes:
    """Write the relations of a part: for each its id, kind and target."""
    root = etree.Element("Relationships", xmlns=f"{_PACKAGE}relationships")
    for name, kind, target in references:
        etree.SubElement(root, "Relationship", Id=name, Type=f"{RELATION}/{kind}", Target=target)
    return written(root)


def content_types_part(types: dict[str, str]) -> bytes:
    """Write what each part of an Open XML package is: its type by its name."""
    root = etree.Element("Types", xmlns=f"{_PACKAGE}content-types")
    relations = "application/vnd.openxmlformats-package.relationships+xml"
    etree.SubElement(root, "Default", Extension="rels", ContentType=relations)
    for name, kind in types.items():
        etree.SubElement(root, "Override", PartName=f"/{name}", ContentType=f"{_OPEN_XML}{kind}+xml")
    return written(root)


def written(root: Any) -> bytes:
    """Return a tree as bytes."""
    data: bytes = etree.tostring(root)
    return data


def kind_of(element: Any) -> str:
    """Return an element's name without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    """Return an attribute by its name without its namespace."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def child(element: Any, name: str) -> Any | None:
    """Return an element's first child of a name, whatever its namespace."""
    return element.find(f"{{*}}{name}")


def whole_number(value: str | None, default: int = 0) -> int:
    """Read a number that a file gives, which may be anything."""
    try:
        return int(float(value)) if value else default
    except (ValueError, OverflowError):
        return default


def chosen(alternates: Any) -> Any | None:
    """Return the branch of `mc:AlternateContent` that is read: the first that holds text, or else the first."""
    branches = [branch for branch in alternates if kind_of(branch) in {"Choice", "Fallback"}]
    speaking = (branch for branch in branches if next(branch.iter("{*}t", "{*}relIds", "{*}chart"), None) is not None)
    return next(speaking, branches[0] if branches else None)


def count_texts(root: Any, without: Iterable[str] = ()) -> int:
    """Count the characters, white space apart, of all `t` elements in a tree, and of one branch where there are two.

    Independent of what readers make of the tree, so that what they lose is noticed.

    Args:
        root: of the tree.
        without: names of elements whose content does not count.
    """
    count = sum(_count(element.text) for element in root.iter("{*}t"))
    for name in without:
        count -= sum(count_texts(element) for element in root.iter(f"{{*}}{name}"))
    for alternates in root.iter("{*}AlternateContent"):
        counts = sorted(sum(_count(t.text) for t in branch.iter("{*}t")) for branch in alternates)
        count -= sum(counts[:-1])
    return count


def _count(text: str | None) -> int:
    return len("".join(text.split())) if text else 0


def core_properties(package: Package) -> dict[str, str]:
    """Return what an Open XML document says of itself."""
    root = package.optional_tree("docProps/core.xml")
    return {} if root is None else named_properties(root)


def named_properties(root: Any) -> dict[str, str]:
    """Return the properties that are direct children of an element, by our names for them."""
    found: dict[str, str] = {}
    for element in root:
        name, value = _CORE_NAMES.get(kind_of(element)), " ".join((element.text or "").split())
        if name and value:
            found.setdefault(name, value)
    return found


def drawing_lines(element: Any, package: Package, relations: dict[str, tuple[str, str]]) -> Iterator[str]:
    """Yield the text of the diagrams and charts that an element shows."""
    for reference in element.iter("{*}relIds", "{*}chart"):
        name = attribute(reference, "dm" if kind_of(reference) == "relIds" else "id")
        _, part = relations.get(name or "", ("", ""))
        root = package.optional_tree(part)
        if root is not None:
            yield from _diagram_lines(root) if kind_of(reference) == "relIds" else _chart_lines(root)


def _diagram_lines(root: Any) -> Iterator[str]:
    for point in root.iter("{*}pt"):
        if point.get("type", "node") in {"node", "asst"}:
            for paragraph in point.iter("{*}p"):
                if line := _joined(paragraph.iter("{*}t")):
                    yield line


def _chart_lines(root: Any) -> Iterator[str]:
    """Yield a chart's titles, then its series' names, then its categories: numbers alone say little."""
    for title in root.iter("{*}title"):
        for paragraph in title.iter("{*}p"):
            if line := _joined(paragraph.iter("{*}t")):
                yield line
    for path in ("{*}ser/{*}tx", "{*}ser/{*}cat"):
        values = [_joined([value]) for part in root.iterfind(f".//{path}") for value in part.iter("{*}v")]
        if line := " | ".join(value for value in dict.fromkeys(values[:1000]) if value):
            yield line


def _joined(texts: Iterable[Any]) -> str:
    return " ".join("".join(element.text or "" for element in texts).split())
