"""Markdown, reStructuredText, Org and RTF: turned into HTML, and read as that."""

from __future__ import annotations

import re
from typing import Any

import markdown
from lxml import etree

from assets.documents.manifests import load_words
from assets.elements.document import Reading, Unparseable
from assets.elements.readers.encoding import decode
from assets.elements.readers.rtf import as_unicode
from assets.elements.readers.tools import find_tool, run_tool
from assets.elements.readers.web import read_markup

_FRONT_MATTER = re.compile(r"\A\s*(---|\+\+\+)[ \t]*\r?\n(.*?)\r?\n(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
LONGEST_FRONT_MATTER = 100_000
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_ITEM = re.compile(r"^(\s{0,3})(?:[-*+]|\d{1,9}[.)])\s+\S")
_ATX = re.compile(r"^(#{1,6})([^#\s].*)$")
_PROPERTIES = {"title": "title", "author": "author", "date": "created", "description": "subject", "lang": "language"}


def read_markdown(content: bytes) -> Reading:
    """Read Markdown; YAML or TOML at its head is metadata, not text."""
    text, declared = split_front_matter(decode(content))
    reading = read_markup(markdown.markdown(_relax(text), extensions=["tables", "fenced_code"]))
    reading.front_matter = declared
    for key, name in _PROPERTIES.items():
        if isinstance(declared.get(key), str | int | float) or hasattr(declared.get(key), "isoformat"):
            reading.properties.setdefault(name, str(declared[key]))
    return reading


def split_front_matter(text: str) -> tuple[str, dict[str, Any]]:
    """Take the declarations off the head of a text; what only looks like some stays text."""
    found = _FRONT_MATTER.match(text.lstrip("\ufeff"))
    if found is None or len(found.group(2)) > LONGEST_FRONT_MATTER:
        return text, {}
    declared = _yaml(found.group(2)) if found.group(1) == "---" else _toml(found.group(2))
    if not isinstance(declared, dict):
        return text, {}
    return text.lstrip("\ufeff")[found.end() :], {str(key): value for key, value in declared.items()}


def _yaml(text: str) -> Any:
    try:
        return load_words(text)
    except Exception:  # Tags of YAML fail in as many ways as they have constructors.
        return None


def _toml(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _relax(text: str) -> str:
    """Let a list follow its lead-in without a blank line, as every site renders it, and the parser does not."""
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        before = lines[-1] if lines else ""
        item = None if fenced else _ITEM.match(line)
        if item and before.strip() and not _continues(before):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def _continues(before: str) -> bool:
    """Say whether a line belongs to a list, a table or code already."""
    return bool(_ITEM.match(before)) or before.startswith((" ", "\t", "|", ">"))


def read_rst(content: bytes) -> Reading:
    """Read reStructuredText; it can neither include nor run anything."""
    return _through_pandoc(decode(content).encode(), "rst")


def read_org(content: bytes) -> Reading:
    """Read Org."""
    return _through_pandoc(decode(content).encode(), "org")


def read_rtf(content: bytes) -> Reading:
    """Read RTF; its bytes are told apart by code page first, which pandoc does not do."""
    return _through_pandoc(as_unicode(content), "rtf")


def _through_pandoc(content: bytes, format: str) -> Reading:  # noqa: A002
    """Turn a document into HTML by pandoc, which reads no other file then."""
    pandoc = find_tool("pandoc")
    if pandoc is None:
        raise Unparseable("needs_pandoc")
    page = run_tool(
        [
            pandoc,
            "--sandbox",
            "--standalone",
            "--wrap=none",
            "--quiet",
            "-V",
            "pagetitle=-",
            "-f",
            format,
            "-t",
            "html5",
        ],
        content=content,
    )
    return read_markup(page.decode("utf-8", "replace"), _lift_title)


def _lift_title(root: Any) -> None:
    """Put a document's title above its headings: pandoc gives the title and the first headings one level."""
    for invented in root.findall(".//head/title"):
        invented.getparent().remove(invented)
    block = root.find(".//header[@id='title-block-header']")
    if block is None:
        return
    for subtitle in block.findall("p[@class='subtitle']"):  # What reStructuredText makes of a lone second heading.
        subtitle.tag = "h2"
    if block.find("h1") is not None:
        for heading in root.iter("h1", "h2", "h3", "h4", "h5"):
            if heading.getparent() is not block:
                heading.tag = f"h{int(heading.tag[1]) + 1}"
    etree.strip_tags(root, "header")
