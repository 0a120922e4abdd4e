"""HTML, and what is turned into it: read by unstructured's HTML parser, from a tree that is put in order first.

What that parser would lose is mended in the tree: details, figures, forms and labels become plain blocks. What a
browser does not show is told apart: scripts go, text that is hidden is kept and marked. Readings above kanji are
taken out of the sentence that they would break.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lxml import etree
from unstructured.partition.html.parser import Flow, element_class_lookup

from assets.elements.document import Block, Reading
from assets.elements.readers.encoding import decode
from assets.elements.readers.found import PLAIN_TEXT, blocks_of

_HIDDEN, _SHOWN, _TERM = "\ufdd0", "\ufdd1", "\ufdd2"
_MARKS = frozenset({_HIDDEN, _SHOWN, _TERM})
"""Noncharacters that tell hidden text and terms on their way through unstructured; a page's own are lost first."""

_HIDDEN_TEXT = re.compile(f"{_HIDDEN}[^{_SHOWN}]*{_SHOWN}")

_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{2,40})""", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")

_NEVER_SHOWN = ("script", "style", "template", "link", "meta", "base", "head", "del", "rp", "xml", "svg", "select",
                "datalist", "iframe", "object", "noembed", "noframes", "audio", "video", "canvas")  # fmt: skip
_BLOCKS_LOST = {
    "details": "div", "summary": "dt", "figure": "div", "figcaption": "p", "form": "div", "fieldset": "div",
    "legend": "p", "dialog": "div", "label": "span", "button": "span", "hr": "br",
}  # fmt: skip
"""Elements that unstructured takes for furniture, with the plain ones that keep their text: answers of a FAQ are in
`details`, captions in `figure`, and many older pages are one form."""

_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|(?<![-\w])opacity\s*:\s*0(?:\.0+)?\s*(?:;|$)"
    r"|font-size\s*:\s*0(?:\.0+)?(?:px|pt|em|rem|%)?\s*(?:;|$|!)|text-indent\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
LONGEST_CELL = 200
"""Characters from which the cell of a single row is no value but a part of the page."""

_BREAKS = {"p", "div", "li", "td", "th", "tr", "br", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "section",
           "article", "blockquote", "pre", "table", "ul", "ol", "dl", "main", "body", "aside", "header"}  # fmt: skip
_NAMES = {"author": "author", "description": "subject", "keywords": "keywords", "date": "created",
          "dc.creator": "author", "dc.title": "title", "dc.date": "created",
          "article:published_time": "created", "article:modified_time": "modified"}  # fmt: skip


def read_html(content: bytes) -> Reading:
    """Read a page."""
    return read_markup(decode(content, _declared(content)))


def _declared(content: bytes) -> str | None:
    found = _XML_ENCODING.search(content[:1024]) or _META_CHARSET.search(content[:4096])
    return found.group(1).decode("ascii") if found else None


def read_markup(text: str, arrange: Callable[[Any], None] | None = None) -> Reading:
    """Read HTML.

    Args:
        text: of the page.
        arrange: changes the tree before it is read, where its maker's habits are known.
    """
    text = _unmarked(_XML_DECLARATION.sub("", text, count=1))
    root = etree.fromstring(text, _parser()) if text.strip() else None
    if root is None:
        return Reading([])
    if arrange is not None:
        arrange(root)
    page = _Page(root)
    page.put_in_order()
    return Reading(
        page.blocks(),
        properties=page.properties,
        readings=page.readings,
        visible=page.visible,
        counters=page.counters,
    )


def _parser() -> etree.HTMLParser:
    """Make unstructured's parser anew, with room for a page that is one line of 10 MB."""
    parser = etree.HTMLParser(remove_comments=True, remove_pis=True, huge_tree=True, no_network=True)
    parser.set_element_class_lookup(element_class_lookup)
    return parser


@dataclass
class _Page:
    """A page's tree, and what is learnt while it is put in order.

    Attributes:
        root: the tree.
        visible: characters that it shows, white space apart.
    """

    root: Any
    properties: dict[str, str] = field(default_factory=dict)
    readings: list[tuple[str, str]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    visible: int = 0

    def put_in_order(self) -> None:
        """Take out what is not text, tell hidden from shown, and keep what unstructured would lose."""
        self.properties = _properties(self.root)
        etree.strip_elements(self.root, *_NEVER_SHOWN, with_tail=False)
        self._without_navigation()
        self._ruby()
        for table in list(self.root.iter("table")):
            _lift_caption(table)
            if _is_layout(table):
                _unfold(table)
        for element in self.root.iter(*_BLOCKS_LOST):
            element.tag = _BLOCKS_LOST[element.tag]
        for element in self.root.iter("dt"):
            element.text = _TERM + (element.text or "")
        for element in self.root.iter("ol"):
            _number(element)
        # unstructured reads nothing beside a main; what is left beside one here is text.
        for element in self.root.iter("main"):
            element.tag = "div"
        for element in [
            element for element in self.root.iter() if isinstance(element.tag, str) and _is_hidden(element)
        ]:
            _mark_hidden(element)
        self.visible = _count_text(self._body())

    def _body(self) -> Any:
        body = self.root.find(".//body")
        return self.root if body is None else body

    def _without_navigation(self) -> None:
        """Take out navigation, and what stands beside the main part and is mostly links."""
        furniture = list(self.root.iter("nav"))
        for main in self.root.iter("main"):
            around = [main, *main.iterancestors()]
            beside = [near for level in around if level.tag != "body" for near in level.itersiblings(preceding=True)]
            beside += [near for level in around if level.tag != "body" for near in level.itersiblings()]
            furniture += [near for near in beside if near.tag not in {"main", "head"} and _is_links(near)]
        for element in furniture:
            if element.getparent() is not None:
                self.counters["furniture"] = self.counters.get("furniture", 0) + _count_text(element)
                _take_out(element)

    def _ruby(self) -> None:
        """Keep the base of each ruby in its sentence, and the reading beside it as metadata."""
        for ruby in list(self.root.iter("ruby")):
            reading = "".join("".join(part.itertext()) for part in ruby.iter("rt", "rtc"))
            for part in list(ruby.iter("rt", "rtc")):
                if part.getparent() is not None:
                    _take_out(part)
            base = "".join(ruby.itertext())
            if base.strip() and reading.strip():
                self.readings.append(("".join(base.split()), "".join(reading.split())))
        etree.strip_tags(self.root, "rb", "ruby", "rbc")

    def blocks(self) -> Iterator[Block]:
        """Yield the page's blocks in order, hidden ones marked."""
        for block in _blocks(self._body()):
            if _TERM in block.text:  # A question or a term: what follows belongs to it.
                block = replace(block, kind="Title", text=block.text.replace(_TERM, ""))  # noqa: PLW2901
            yield from _apart(block)


def _number(list_: Any) -> None:
    """Write the numbers of an ordered list, which a text may refer to."""
    if list_.get("type") not in {None, "1"}:
        return
    start = list_.get("start") or "1"
    items = [item for item in list_ if item.tag == "li"]
    for number, item in enumerate(items, start=int(start) if start.isdecimal() else 1):
        first = item[0] if len(item) and item[0].tag == "p" and not (item.text or "").strip() else item
        first.text = f"{number}. {(first.text or '').lstrip()}"


def _is_links(element: Any) -> bool:
    """Say whether an element is mostly links, and no heading of the page."""
    if next(element.iter("h1"), None) is not None:
        return False
    return sum(_count_text(link) for link in element.iter("a")) > _count_text(element) * 0.5


def _mark_hidden(element: Any) -> None:
    """Put marks around each text of an element that a browser does not show, to be told apart in the blocks."""
    for node in element.iter():
        if isinstance(node.tag, str) and node.text and node.text.strip() and _HIDDEN not in node.text:
            node.text = f"{_HIDDEN}{node.text}{_SHOWN}"
        if node is not element and node.tail and node.tail.strip() and _HIDDEN not in node.tail:
            node.tail = f"{_HIDDEN}{node.tail}{_SHOWN}"


def _apart(block: Block) -> Iterator[Block]:
    """Part a block into what is shown and what is hidden; a table that shows anything is shown."""
    if _HIDDEN not in block.text:
        yield block
        return
    shown = " ".join(_HIDDEN_TEXT.sub(" ", block.text).split()) if block.kind != "Table" else ""
    if block.kind == "Table":
        hidden = not _HIDDEN_TEXT.sub("", block.text).strip(" |\n")
        yield replace(block, text=_unmarked(block.text), html=_unmarked(block.html or "") or None, hidden=hidden)
        return
    if shown:
        yield replace(block, text=shown)
    text = _unmarked(" ".join(_HIDDEN_TEXT.findall(block.text))) if shown else _unmarked(block.text)
    yield replace(block, text=text, level=0 if shown else block.level, hidden=True)


def _unmarked(text: str) -> str:
    return text.replace(_HIDDEN, "").replace(_SHOWN, "").replace(_TERM, "")


def _blocks(main: Any) -> list[Block]:
    """Read a tree by unstructured; one that is nested too deep for it, as lines."""
    try:
        if isinstance(main, Flow):
            return list(blocks_of(main.iter_elements(), headings=True))
    except RecursionError:
        pass
    return list(_flat(main))


def _flat(element: Any) -> Iterator[Block]:
    """Read a tree as lines, without recursion."""
    pieces: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        if node.tag in _BREAKS and "".join(pieces).strip():
            yield Block(PLAIN_TEXT, " ".join("".join(pieces).split()))
            pieces = []
        text = node.text if event == "start" else node.tail if node is not element else None
        pieces.append(text or "")
    if "".join(pieces).strip():
        yield Block(PLAIN_TEXT, " ".join("".join(pieces).split()))


def _count_text(element: Any) -> int:
    return sum(len(text) - sum(character.isspace() or character in _MARKS for character in text)
               for text in element.itertext())  # fmt: skip


def _take_out(element: Any) -> None:
    """Remove an element and keep the text that follows it."""
    parent, tail = element.getparent(), element.tail or ""
    before = element.getprevious()
    element.tail = None
    parent.remove(element)
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail


def _is_hidden(element: Any) -> bool:
    if element.get("hidden") is not None or element.tag == "noscript":
        return True
    return bool(_HIDING.search(element.get("style") or ""))


def _lift_caption(table: Any) -> None:
    """Put a table's caption before it: a table's text is its rows."""
    caption = table.find("caption")
    if caption is not None and table.getparent() is not None:
        _take_out(caption)
        caption.tag = "p"
        table.addprevious(caption)


def _is_layout(table: Any) -> bool:
    """Say whether a table only places things: mostly another one, with headings, or one long cell or column."""
    if table.get("role") in {"presentation", "none"}:
        return True
    if sum(_count_text(inner) for inner in table.iterfind(".//table")) > _count_text(table) * 0.5:
        return True
    headed = next(table.iter("th"), None) is not None
    if not headed and any(next(cell.iter("h1", "h2", "h3", "h4"), None) is not None for cell in table.iter("td")):
        return True
    rows = [[_count_text(cell) for cell in row.iter("td", "th")] for row in table.iter("tr")]
    filled = [[size for size in row if size] for row in rows if any(row)]
    alone = len(filled) == 1 and max(filled[0]) > LONGEST_CELL
    return alone or (len(filled) > 1 and max(map(len, filled)) == 1)


def _unfold(table: Any) -> None:
    """Make plain blocks of a table's own parts; a table inside it stays one."""
    waiting = [table]
    while waiting:
        element = waiting.pop()
        if element.tag in {"table", "thead", "tbody", "tfoot", "tr"}:
            waiting.extend(child for child in element if child.tag in {"thead", "tbody", "tfoot", "tr", "td", "th"})
        element.tag = "div"


def _properties(root: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    title = root.find(".//head/title")
    if title is not None and (text := " ".join("".join(title.itertext()).split())):
        found["title"] = text
    for meta in root.iter("meta"):
        name = _NAMES.get((meta.get("name") or meta.get("property") or "").lower())
        if name and (meta.get("content") or "").strip():
            found.setdefault(name, meta.get("content").strip())
    language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or root.get("xml:lang")
    if language:
        found["language"] = language
    return found
