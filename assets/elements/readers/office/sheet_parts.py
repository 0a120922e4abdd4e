"""What lies on and beside the cells of a workbook's sheets, and openpyxl does not read: text boxes and comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assets.elements.readers.office.package import Package, attribute, child, kind_of, whole_number
from assets.elements.readers.office.slides_xml import paragraphs_of

_ANCHORS = frozenset({"twoCellAnchor", "oneCellAnchor", "absoluteAnchor"})
_LAST = 1 << 24
"""Row and column of a shape that is anchored to no cell."""


@dataclass(frozen=True)
class Beside:
    """What a sheet has beside its cells.

    Attributes:
        boxes: texts of text boxes and shapes, from top to bottom.
        comments: on its cells, a line each.
    """

    boxes: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


def read_beside(package: Package) -> dict[str, Beside]:
    """Return what the sheets of a workbook have beside their cells, by the sheets' names.

    Args:
        package: the workbook.

    Raises:
        Unparseable: too much comes out of a part.
    """
    found: dict[str, Beside] = {}
    for kind, part in package.relations("").values():
        book = package.optional_tree(part) if kind == "officeDocument" else None
        relations = package.relations(part)
        for sheet in () if book is None else book.iterfind("{*}sheets/{*}sheet"):
            _, name = relations.get(attribute(sheet, "id") or "", ("", ""))
            if name:
                found[sheet.get("name") or ""] = _beside(package, name)
    return found


def _beside(package: Package, name: str) -> Beside:
    parts = [(kind, package.optional_tree(part)) for kind, part in package.relations(name).values()
             if kind in {"drawing", "comments", "threadedComment"}]  # fmt: skip
    roots = [(kind, root) for kind, root in parts if root is not None]
    boxes = tuple(box for kind, root in roots if kind == "drawing" for box in _boxes(root))
    threads = [pair for kind, root in roots if kind == "threadedComment" for pair in _comments(root)]
    discussed = {place for place, _ in threads}  # Beside a thread lies a comment for older programs that repeats it.
    notes = [pair for kind, root in roots if kind == "comments" for pair in _comments(root) if pair[0] not in discussed]
    return Beside(boxes, tuple(text for _, text in [*notes, *threads]))


def _boxes(drawing: Any) -> Iterator[str]:
    """Yield the texts of shapes, those of higher anchors first."""
    anchors = [anchor for anchor in drawing if kind_of(anchor) in _ANCHORS | {"AlternateContent"}]
    for anchor in sorted(anchors, key=_place):
        for body in anchor.iter("{*}txBody"):
            text = "\n".join(text for text, _, _ in paragraphs_of(body))
            if text.strip() and not _is_fallback(body):
                yield text


def _place(anchor: Any) -> tuple[int, int]:
    start = next(anchor.iter("{*}from"), None)
    row, column = (None if start is None else child(start, name) for name in ("row", "col"))
    return _number(row), _number(column)


def _number(element: Any | None) -> int:
    return _LAST if element is None else whole_number(element.text, _LAST)


def _is_fallback(body: Any) -> bool:
    """Say whether text is the second version of a shape, for programs that do not know the first."""
    fallback = next(body.iterancestors("{*}Fallback"), None)
    return fallback is not None and any(
        next(choice.iter("{*}t"), None) is not None for choice in fallback.itersiblings("{*}Choice", preceding=True)
    )


def _comments(root: Any) -> Iterator[tuple[str, str]]:
    """Yield the cell and the text of each comment; how it is read, in kana, is left out."""
    for comment in root.iter("{*}comment", "{*}threadedComment"):
        name = "{*}t" if kind_of(comment) == "comment" else "{*}text"
        runs = (run.text or "" for run in comment.iter(name) if next(run.iterancestors("{*}rPh"), None) is None)
        text = " ".join("".join(runs).split())
        if text:
            yield comment.get("ref") or "", text
