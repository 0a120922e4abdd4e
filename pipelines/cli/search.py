"""`suimon search` and `suimon embed`: asking the published table from a terminal."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from typing import Any, get_args

import click
from rich.markup import escape

from pipelines.cli.output import console, emit_json
from pipelines.config import load
from pipelines.frameworks.passages import Mode
from pipelines.searching import Asked, check_collection, explain
from pipelines.searching import embed as written_vector
from pipelines.searching import search as find
from pipelines.workbench import make_workbench
from resources.errors import ConfigurationError

SHOWN_CHARACTERS = 360


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--collection", help="Search this collection only.")
@click.option("-k", "k", type=int, default=5, show_default=True, help="How many passages.")
@click.option(
    "--mode",
    type=click.Choice(get_args(Mode)),
    default="hybrid",
    show_default=True,
    help="By meaning and words together, or by one of them alone; lexical needs no model.",
)
@click.option("--filter", "written", metavar="JSON", help='Which documents, as \'{"year": {"gte": 2024}}\'.')
@click.option("--neighbours", type=int, default=0, help="Passages before and after each one to show too.")
@click.option("--as", "role", metavar="ROLE", help="The database role that asks, where collections declare readers.")
@click.option("--explain", "explained", is_flag=True, help="Say how each leg ranked them, and which index served.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def search(
    words: tuple[str, ...], collection: str | None, k: int, mode: Mode, written: str | None, neighbours: int,
    role: str | None, explained: bool, as_json: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Search the published table for WORDS, by meaning and by words."""
    config = load()
    asked = Asked(_question(words), k, mode, _filter(written, collection), neighbours, role)
    bench = make_workbench(config)
    check_collection(bench, config, collection, role)
    found = find(bench, asked)
    how = explain(bench, asked) if explained else None
    if as_json:
        emit_json(found if how is None else {"passages": found, "explanation": how})
        return
    for passage in found:
        show(passage, asked.words, legs=explained)
    if how is not None:
        _show_explanation(how)
    if not found:
        _say_nothing_found(asked, collection)


def _question(words: tuple[str, ...]) -> str:
    """Return the words as one; there has to be one at least, since of nothing a model finds something near."""
    asked = " ".join(words).strip()
    if not asked:
        raise ConfigurationError("The question is empty; ask with some words.")
    return asked


def _filter(written: str | None, collection: str | None) -> dict[str, Any]:
    try:
        given = json.loads(written) if written else {}
    except json.JSONDecodeError as error:
        raise click.BadParameter(
            f"is not JSON ({error.msg} at character {error.pos + 1}); write it as '{{\"year\": 2024}}'.",
            param_hint="--filter",
        ) from None
    if not isinstance(given, dict):
        raise click.BadParameter("must be a JSON object, as '{\"year\": 2024}'.", param_hint="--filter")
    if collection is None:
        return given
    return (
        {"and": [{"collection": collection}, given]} if "collection" in given else {"collection": collection, **given}
    )


def _say_nothing_found(asked: Asked, collection: str | None) -> None:
    where = f" in {collection}" if collection else ""
    what = "holds one of these words" if asked.mode == "lexical" else "matches"
    console.print(
        f"No passage{where} {what} that {asked.role or 'the reader role'} may see; `suimon status` shows what is "
        "published, and --as asks as another role."
    )


def show(passage: Mapping[str, Any], question: str, *, legs: bool = False) -> None:
    """Print a passage with where it is from, the words of the question marked.

    Args:
        passage: a row of a search.
        question: as asked.
        legs: whether to say how each leg ranked it.
    """
    pages = passage["pages"]
    page = f", page {'-'.join(str(p) for p in dict.fromkeys([pages[0], pages[-1]]))}" if pages else ""
    others = passage["copies"] - 1
    also = f" (and in {others} other place{'s' if others > 1 else ''})" if others else ""
    path = " > ".join(passage["heading_path"] or [])
    console.print(f"[bold]{passage['rank']}. {escape(str(passage['title']))}[/]  [dim]{passage['score']:.3f}[/]")
    console.print(f"   [dim]{escape(passage['collection'])}: {escape(passage['uri'])}{page}{also}[/]")
    if passage["link"]:
        console.print(f"   [dim]{escape(passage['link'])}[/]")
    if legs:
        console.print(f"   [cyan]{_legs(passage)}[/]")
    if path and path != passage["title"]:
        console.print(f"   [dim]{escape(path)}[/]")
    width = max(40, min(110, shutil.get_terminal_size().columns) - 4)
    for text in passage["text_before"] or []:
        _print_dimmed(text, width)
    for line in _wrap(excerpt(" ".join(passage["text"].split()), question), width):
        console.print("   " + _marked(line, question))
    for text in passage["text_after"] or []:
        _print_dimmed(text, width)


def _print_dimmed(text: str, width: int) -> None:
    for line in _wrap(" ".join(text.split())[:SHOWN_CHARACTERS], width):
        console.print(f"   [dim]{escape(line)}[/]")


def _legs(passage: Mapping[str, Any]) -> str:
    """Say how the two legs ranked a passage among the candidates."""
    told = []
    if passage["semantic_score"] is not None:
        told.append(f"by meaning {_place(passage['semantic_rank'])}, cosine {passage['semantic_score']:.3f}")
    if passage["lexical_score"] is not None:
        rank = passage["lexical_rank"]
        told.append(f"by words {_place(rank)}, BM25 {passage['lexical_score']:.2f}" if rank else "by words not at all")
    return "; ".join(told)


def _place(rank: int) -> str:
    ending = "th" if rank % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"


def _show_explanation(how: Mapping[str, Any]) -> None:
    console.print(f"[bold]How[/]  space {how['space']}, {_counted(how['matching'])} passages match the filter")
    semantic = how.get("semantic")
    if semantic:
        served = (
            f"index {semantic['index']}" if semantic["index"] else "exact search, which is faster for so few passages"
        )
        going_on = ", which went on until enough matched" if "iterative" in semantic["by"] else ""
        console.print(f"   by meaning: {semantic['candidates']} candidates from {served}{going_on}")
    lexical = how.get("lexical")
    if lexical:
        console.print(f"   by words: {lexical['candidates']} candidates from index {lexical['index']}")
        for term in lexical["terms"]:
            note = "" if term["looked_up"] else ", too frequent to look up; it counts in the score"
            console.print(
                f"      {escape(term['term'])}  weight {term['weight']}, in {term['chunks']:,} passages{note}",
                style="dim",
            )


def _counted(matching: int) -> str:
    return f"{matching:,}" if matching <= 20_000 else "more than 20,000"


def excerpt(text: str, question: str) -> str:
    """Return the part of a passage that holds most of the question's words, or its beginning.

    Args:
        text: the passage on one line.
        question: as asked.
    """
    size = SHOWN_CHARACTERS if text.isascii() else SHOWN_CHARACTERS // 2
    places = [match.start() for word in _words(question) for match in re.finditer(re.escape(word), text, re.IGNORECASE)]
    if len(text) <= size or not places:
        return text if len(text) <= size else text[:size].rstrip() + " ..."
    begin = max(places, key=lambda at: (sum(at <= other < at + size for other in places), -at))
    begin = 0 if begin < size // 2 else max(text.rfind(" ", 0, begin - 20), begin - 60, 0)
    end = "" if begin + size >= len(text) else " ..."
    return ("... " if begin else "") + text[begin : begin + size].strip() + end


def _words(question: str) -> set[str]:
    """Return the words of a question that are worth marking: long ones, and runs of Japanese."""
    return set(re.findall(r"[A-Za-z0-9-]{4,}|[一-鿿ァ-ヿ]{2,}", question))


def _wrap(text: str, width: int) -> list[str]:
    """Wrap by columns: a Japanese character takes two."""
    lines, line, used = [], "", 0
    for piece in re.findall(r"[ -~]+?(?:\s|$)|[^ -~]|[ -~]", text):
        size = sum(1 if ord(character) < 0x1100 else 2 for character in piece)
        if used + size > width and line:
            lines.append(line.rstrip())
            line, used = "", 0
        line += piece
        used += size
    return [*lines, line.rstrip()] if line.strip() else lines


def _marked(line: str, question: str) -> str:
    words = _words(question)
    if not words:
        return escape(line)
    pattern = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)), re.IGNORECASE)
    marked, at = "", 0
    for match in pattern.finditer(line):
        marked += escape(line[at : match.start()]) + f"[bold yellow]{escape(match.group())}[/]"
        at = match.end()
    return marked + escape(line[at:])


@click.command()
@click.argument("words", nargs=-1, required=True)
def embed(words: tuple[str, ...]) -> None:
    """Print the vector of WORDS, as a question, as an SQL literal of the live space."""
    click.echo(written_vector(make_workbench(), _question(words)))
