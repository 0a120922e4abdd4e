"""The three little templates of a collection: the pattern of a path, where a sidecar is, and a link. Pure."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from functools import cache

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

IN_SIDECAR = ("uri", "folder", "stem")
PARTS_OF_URI = ("uri", "name", "folder", "stem")
IN_LINK = (*PARTS_OF_URI, "page")


def placeholders(template: str) -> list[str]:
    """Return the names between braces, in order.

    Raises:
        ValueError: a brace stands alone.
    """
    if set("{}") & set(PLACEHOLDER.sub("", template)):
        raise ValueError("has a brace without its partner")
    return PLACEHOLDER.findall(template)


def hint(name: str, known: Iterable[str]) -> str:
    """Return what a person may have meant by an unknown placeholder."""
    names = list(known)
    if not names:
        return "there is none"
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {{{near[0]}}}?" if near else f"known here: {', '.join(f'{{{n}}}' for n in names)}"


def split_uri(uri: str) -> dict[str, str]:
    """Return the parts of a uri by the names that templates give them."""
    folder, _, name = uri.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return {"uri": uri, "folder": folder, "name": name, "stem": stem}


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    written = ""
    segments = unicodedata.normalize("NFC", pattern).split("/")
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "**":
            written += ".*" if last else "(?:.+/)?"
            continue
        for text in re.split(r"(\{[^{}]*\}|\*)", segment):
            if text == "*":
                written += "[^/]*"
            elif text.startswith("{"):
                written += f"(?P<{text[1:-1]}>[^/]+?)"
            else:
                written += re.escape(text)
        written += "" if last else "/"
    return re.compile(written, re.DOTALL)


def check_path_pattern(pattern: str) -> list[str]:
    """Return the names in a path pattern.

    Raises:
        ValueError: it cannot be a pattern, with the reason.
    """
    names = placeholders(pattern)
    if not names:
        raise ValueError("names no part of the path; write a part as {department}")
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"{{{name}}} is no name; use letters, digits and underscores")
        if names.count(name) > 1:
            raise ValueError(f"{{{name}}} stands twice")
    if "}{" in pattern:
        raise ValueError("needs something between two names")
    return names


def match_path(pattern: str, uri: str) -> dict[str, str]:
    """Return the named parts of a uri; none where the pattern does not fit.

    Args:
        pattern: parts as `{name}`, `*` for any one, `**` for any number of them.
        uri: path below the source.
    """
    found = _compiled(pattern).fullmatch(unicodedata.normalize("NFC", uri))
    return found.groupdict() if found else {}


def check_sidecar(template: str) -> None:
    """Make sure that a template says where a sidecar is, and that its files can be told from documents.

    Raises:
        ValueError: it does not, with the reason.
    """
    names = placeholders(template)
    if set("*?[]\\") & set(template):
        raise ValueError("may not hold any of * ? [ ] and the backslash")
    if not template.lower().endswith((".yaml", ".yml", ".json")):
        raise ValueError("must end with .yaml, .yml or .json")
    if not names:
        raise ValueError("names no document; write it as {uri}.meta.yaml")
    for name in names:
        if name not in IN_SIDECAR:
            raise ValueError(f"may not hold {{{name}}}; {hint(name, IN_SIDECAR)}")
    for segment in template.split("/"):
        if "{uri}" in segment[1:] or ("{folder}" in segment and segment != "{folder}"):
            raise ValueError("must have {uri} at the start of a part of the path, and {folder} as a part of its own")


def sidecar_of(template: str, uri: str) -> str:
    """Return the uri of a document's sidecar."""
    parts = split_uri(uri)
    if not parts["folder"]:
        template = template.replace("{folder}/", "")
    return PLACEHOLDER.sub(lambda found: parts[found[1]], template)


def sidecar_glob(template: str) -> str:
    """Return a glob that every sidecar matches."""
    folders = template.replace("{uri}", "**/*").replace("{folder}", "**").replace("{stem}", "*")
    return re.sub(r"\*\*(/\*\*)+", "**", folders)


def check_link(template: str, fields: dict[str, str]) -> None:
    """Make sure that a link can be made for documents.

    Args:
        template: an address with placeholders.
        fields: types of the declared fields, by name.

    Raises:
        ValueError: it holds a placeholder that nothing fills.
    """
    known = [*IN_LINK, *(name for name, kind in fields.items() if kind != "strings")]
    for name in placeholders(template):
        if fields.get(name) == "strings":
            raise ValueError(f"may not hold {{{name}}}, which is a list")
        if name not in known:
            raise ValueError(f"may not hold {{{name}}}; {hint(name, known)}")
