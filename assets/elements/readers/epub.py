"""EPUB: the chapters of its spine, in order, each read as HTML."""

from __future__ import annotations

import io
import posixpath
import zipfile
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lxml import etree

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.readers.web import read_html

_CONTAINER = "META-INF/container.xml"
_DUBLIN_CORE = {"title": "title", "creator": "author", "subject": "keywords", "date": "created",
                "language": "language", "description": "subject"}  # fmt: skip


@dataclass(frozen=True)
class _Package:
    """What a book says of itself.

    Attributes:
        chapters: members of the archive, in reading order.
        properties: title, author and so on.
    """

    chapters: list[str]
    properties: dict[str, str]


def read_epub(content: bytes) -> Reading:
    """Read a book.

    Raises:
        Unparseable: it has no list of its chapters, or its chapters are encrypted.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        package = _package(archive)
        readings = [read_html(archive.read(chapter)) for chapter in package.chapters]
    except (zipfile.BadZipFile, KeyError, etree.XMLSyntaxError, RuntimeError, EOFError) as error:
        protected = isinstance(error, RuntimeError) and "encrypted" in str(error)
        raise Unparseable("password_protected" if protected else "damaged") from None
    return _join(readings, package.properties)


def _join(readings: list[Reading], properties: dict[str, str]) -> Reading:
    blocks: list[Block] = []
    whole = Reading(blocks, properties=properties, visible=0)
    for reading in readings:
        blocks.extend(reading.blocks)
        whole.readings.extend(reading.readings)
        whole.visible = (whole.visible or 0) + (reading.visible or 0)
        for name, count in reading.counters.items():
            whole.counters[name] = whole.counters.get(name, 0) + count
    return whole


def _package(archive: zipfile.ZipFile) -> _Package:
    if "META-INF/encryption.xml" in archive.namelist() and b"EncryptedData" in archive.read("META-INF/encryption.xml"):
        protected = archive.read("META-INF/encryption.xml")
        if b".xhtml" in protected or b".html" in protected:  # Fonts are often obscured, chapters only by a vendor.
            raise Unparseable("password_protected")
    rootfile = _xml(archive.read(_CONTAINER)).find(".//{*}rootfile")
    if rootfile is None:
        raise Unparseable("damaged")
    path = rootfile.get("full-path")
    package = _xml(archive.read(path))
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    chapters = []
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or reference.get("linear") == "no" or "nav" in (item.get("properties") or "").split():
            continue
        chapters.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(item.get("href")))))
    return _Package(chapters, _properties(package))


def _properties(package: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in package.iterfind(".//{http://purl.org/dc/elements/1.1/}*"):
        name = _DUBLIN_CORE.get(etree.QName(element).localname)
        text = " ".join("".join(element.itertext()).split())
        if name and text:
            found[name] = f"{found[name]}, {text}" if name in found and name in {"author", "keywords"} else text
    return found


def _xml(content: bytes) -> Any:
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
