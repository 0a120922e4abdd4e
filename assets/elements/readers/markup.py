"""Markdown, reStructuredText, Org and RTF: turned into HTML, and read as that."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import Any

from lxml import etree
from lxml.html.defs import tags
from markdown_it import MarkdownIt

from assets.documents.manifests import load_words
from assets.elements.document import Reading, Unparseable
from assets.elements.readers.encoding import decode
from assets.elements.readers.rtf import as_unicode
from assets.elements.readers.tools import find_tool, run_tool
from assets.elements.readers.web import read_markup

_FRONT_MATTER = re.compile(r"\A\s*(---|\+\+\+)[ \t]*\r?\n(.*?)\r?\n(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
LONGEST_FRONT_MATTER = 100_000
_TAG = re.compile(r"</?([A-Za-z][\w:.-]*)[^<>]*>")
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*")
_PROPERTIES = {"title": "title", "author": "author", "date": "created", "description": "subject", "lang": "language"}


def read_markdown(content: bytes) -> Reading:
    """Read Markdown; YAML or TOML at its head is metadata, not text."""
    text, declared = split_front_matter(decode(content))
    reading = read_markup(_known_tags(_parser().render(text)), _without_asterisks)
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


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _known_tags(page: str) -> str:
    """Let `Vec<u8>` be text: what is no element of HTML was not meant as one."""
    return _TAG.sub(lambda tag: tag.group() if tag.group(1).lower() in tags else escape(tag.group()), page)


def _without_asterisks(root: Any) -> None:
    """Take out the asterisks that CommonMark leaves beside Japanese brackets: **「水門」**は is meant to be bold."""
    for node in root.iter(etree.Element):
        if node.tag not in {"code", "pre"}:
            node.text = _BOLD.sub(r"\1", node.text or "")
        node.tail = _BOLD.sub(r"\1", node.tail or "")


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
