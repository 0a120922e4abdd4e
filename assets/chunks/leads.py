"""What leads into a list: the sentence without which its items say little. Pure."""

from __future__ import annotations

import re

from assets.chunks.sentences import CLOSERS, ends_sentence
from assets.chunks.splitting import Count, sentence_starts
from assets.elements.document import Element

LEAD_SHARE = 0.25
"""Largest part of a chunk that a repeated lead-in may take; a longer one is not repeated."""

_COLON = re.compile(rf"[:：][{CLOSERS}]*\Z")
_ANNOUNCES = re.compile(
    r"(?:次|以下|下記|つぎ)(?:の|に)(?:とおり|通り|ように|手順|もの|項目|点|事項|示)[^。．.]{0,14}[。．.]\Z"
    r"|\b(?:as follows|the following(?:\s+\w+){0,3}|(?:these|following) steps|(?:listed|given|shown) below)\.\Z",
    re.IGNORECASE,
)
_LONGEST = 4000
"""Characters at the end of a paragraph in which its last sentence is looked for."""


def leads_into_list(text: str, element: Element, following: Element) -> bool:
    """Say whether an element is a paragraph that leads into the list that begins after it.

    Args:
        text: the document's text.
        element: any element.
        following: the one after it.
    """
    if following.kind != "ListItem" or element.kind in {"ListItem", "Table"} or element.level:
        return False
    if element.hidden != following.hidden:
        return False
    end = text[max(element.start, element.end - 200) : element.end]
    return not ends_sentence(end) or bool(_COLON.search(end) or _ANNOUNCES.search(end))


def is_question(element: Element, following: Element) -> bool:
    """Say whether an element is a line that what follows belongs to: a FAQ's question, a term and its meaning."""
    return element.kind == "Title" and following.kind != "Title" and element.hidden == following.hidden


def lead_of(text: str, element: Element, most: int, count: Count) -> tuple[str, int]:
    """Return what is repeated above later items, and its tokens; nothing where it would take too much room.

    Args:
        text: the document's text.
        element: the paragraph that leads into the list.
        most: tokens of a chunk.
        count: tokens of a text.
    """
    start = max(element.start, element.end - _LONGEST)
    start = (sentence_starts(text, start, element.end) or [start])[-1]
    lead = " ".join(text[start : element.end].split()) + "\n"
    tokens = count(lead)
    return (lead, tokens) if tokens <= most * LEAD_SHARE else ("", 0)
